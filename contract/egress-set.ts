/** `policies/egress/NAME.toml`: a named set of what may leave, and why. */

import { z } from "zod"

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const
/** One DNS label. */
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
const HOST = new RegExp(`^(?:\\*\\.)?(?:${LABEL}\\.)*${LABEL}\\.${LABEL}$`)

const egressRule = z.strictObject({
  /** Exact lower-case host name, or `*.example.com` for exactly one label before it. */
  host: z.string().regex(HOST, "expected a lower-case host name such as api.example.com or *.example.com"),
  port: z.int().min(1).max(65535).default(443),
  methods: z.array(z.enum(METHODS)).min(1),
  /** Paths as they stand on the wire; a trailing `*` matches any rest. */
  paths: z
    .array(z.string().regex(/^\/[^*\s]*\*?$/, "expected a path such as /v1/messages or /v1/files/*"))
    .min(1),
  why: z.string().min(8, "expected a reason of at least 8 characters"),
})
export type EgressRule = z.infer<typeof egressRule>

export const egressSet = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and dashes"),
  why: z.string().min(8, "expected a reason of at least 8 characters"),
  allow: z.array(egressRule).default([]),
})
export type EgressSet = z.infer<typeof egressSet>
