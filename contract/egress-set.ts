/** `policies/egress/NAME.toml`: a named set of what may leave, and why. */

import { z } from "zod"
import { describeBadHost } from "./egress-host.ts"

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const

const hostPattern = z.string().superRefine((text, context) => {
  const wrong = describeBadHost(text)
  if (wrong !== null) context.addIssue({ code: "custom", message: wrong })
})
const why = z.string().min(8, "expected a reason of at least 8 characters")
const owner = z.string().min(2, "expected who answers for it, for example platform-security")
const expires = z.iso.date("expected a day such as 2027-01-31")

const egressRule = z
  .strictObject({
    /** Exact lower-case host name, or `*.example.com` for exactly one label before it. */
    host: hostPattern,
    port: z.int().min(1).max(65535).default(443),
    methods: z.array(z.enum(METHODS)).min(1).optional(),
    /** Paths as they stand on the wire: `*` stays inside a segment, `**` as the last segment is any rest. */
    paths: z
      .array(z.string().regex(/^\/[^\s?#]*$/, "expected a path such as /v1/messages, /v1/files/* or /pkg/**"))
      .min(1)
      .optional(),
    query: z.enum(["any", "none"]).default("any"),
    /** In place of methods and paths: clone and fetch of `repositories` by HTTPS. */
    git: z.enum(["read"]).optional(),
    /** `owner/name`, as in the URL, without `.git`. */
    repositories: z
      .array(z.string().regex(/^[\w.-]+(?:\/[\w.-]+)+$/, "expected a repository such as acme/payments"))
      .min(1)
      .optional(),
    /** With `git`: the host of the REST API on which the same repositories may be read. */
    api: hostPattern.optional(),
    /** With `git`: large files may be asked for, too (never sent). */
    lfs: z.boolean().default(false),
    websocket: z.boolean().default(false),
    /** Longest path with its query, in bytes: what a name can carry is bounded by it. */
    max_path_bytes: z.int().min(1).max(16_384).optional(),
    max_request_kib: z.int().min(0).max(65_536).optional(),
    budget_mib: z.int().min(1).max(1_048_576).optional(),
    why,
    owner: owner.optional(),
    expires: expires.optional(),
  })
  .superRefine((rule, context) => {
    const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message })
    if (rule.git === undefined) {
      if (!rule.methods) wrong("methods", "is missing, and must be given")
      if (!rule.paths) wrong("paths", "is missing, and must be given")
      if (rule.repositories) wrong("repositories", 'goes only with git = "read"')
      if (rule.api) wrong("api", 'goes only with git = "read"')
      if (rule.lfs) wrong("lfs", 'goes only with git = "read"')
    } else {
      if (!rule.repositories) wrong("repositories", "is missing, and must be given")
      if (rule.methods) wrong("methods", "does not go with git, which chooses them")
      if (rule.paths) wrong("paths", "does not go with git, which chooses them")
      if (rule.websocket) wrong("websocket", "does not go with git")
    }
  })
export type EgressRule = z.infer<typeof egressRule>

export const egressSet = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and dashes"),
  why,
  /** Who answers for the set; a rule may name somebody else. */
  owner,
  /** Last day (UTC) on which its rules count. */
  expires: expires.optional(),
  allow: z.array(egressRule).default([]),
})
export type EgressSet = z.infer<typeof egressSet>
