/** `policies/egress/NAME.toml`: a named set of what may leave, and why. */

import { z } from "zod"
import { describeBadHost } from "./egress-host.ts"
import { describeBadPathPattern } from "./egress-path.ts"

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const

const hostPattern = textThat(describeBadHost)
const repository = z
  .string()
  .regex(
    /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)+$/,
    "expected a repository such as acme/payments",
  )
  .refine((name) => !name.endsWith(".git"), "is written without .git; both spellings are meant")
const why = z.string().min(8, "expected a reason of at least 8 characters")
const owner = z.string().min(2, "expected who answers for it, for example platform-security")
const expires = z.iso.date("expected a day such as 2027-01-31")

const egressRule = z
  .strictObject({
    /** Exact lower-case host name, or `*.example.com` for exactly one label before it. */
    host: hostPattern,
    port: z.int().min(1).max(65535).default(443),
    methods: listOf(z.enum(METHODS)).optional(),
    /** Paths as they stand on the wire: `*` stays inside a segment, `**` as the last segment is any rest. */
    paths: listOf(textThat(describeBadPathPattern)).optional(),
    query: z.enum(["any", "none"]).default("any"),
    /** In place of methods and paths: clone and fetch of `repositories` by HTTPS. */
    git: z.enum(["read"]).optional(),
    /** `owner/name`, as in the URL, without `.git`. */
    repositories: listOf(repository).optional(),
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
    for (const [key, message] of rule.git === undefined ? contradictions(rule) : gitContradictions(rule)) {
      context.addIssue({ code: "custom", path: [key], message })
    }
  })
export type EgressRule = z.infer<typeof egressRule>

export const egressSet = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and dashes"),
    why,
    /** Who answers for the set; a rule may name somebody else. */
    owner,
    /** Last day (UTC) on which its rules count. */
    expires: expires.optional(),
    allow: z.array(egressRule).default([]),
  })
  .superRefine((set, context) => {
    for (const [index, rule] of set.allow.entries()) {
      if (set.expires === undefined || rule.expires === undefined || rule.expires <= set.expires) continue
      const message = `is later than ${set.expires}, on which the whole set ends`
      context.addIssue({ code: "custom", path: ["allow", index, "expires"], message })
    }
  })
export type EgressSet = z.infer<typeof egressSet>

type Complaint = readonly [key: string, message: string]
type PlainRule = Omit<z.input<typeof egressRule>, "why"> & {
  readonly lfs: boolean
  readonly websocket: boolean
}

const MISSING = "is missing, and must be given"

function contradictions(rule: PlainRule): Complaint[] {
  const { methods, paths } = rule
  const onlyGit = (["repositories", "api", "lfs"] as const).filter((key) => rule[key])
  return [
    ...(methods ? [] : [["methods", MISSING] as const]),
    ...(paths ? [] : [["paths", MISSING] as const]),
    ...onlyGit.map((key) => [key, 'goes only with git = "read"'] as const),
    ...(rule.websocket && methods && !methods.includes("GET")
      ? [["websocket", "begins with a GET, which methods does not hold"] as const]
      : []),
    ...budgetContradictions(rule),
  ]
}

function gitContradictions(rule: PlainRule): Complaint[] {
  const chosen = (["methods", "paths"] as const).filter((key) => rule[key])
  return [
    ...(rule.repositories ? [] : [["repositories", MISSING] as const]),
    ...chosen.map((key) => [key, "does not go with git, which chooses them"] as const),
    ...(rule.query === "none" ? [["query", "does not go with git, which chooses it"] as const] : []),
    ...(rule.websocket ? [["websocket", "does not go with git"] as const] : []),
    ...(["host", "api"] as const)
      .filter((key) => rule[key]?.startsWith("*"))
      .map((key) => [key, "is one exact name where git is meant"] as const),
    ...budgetContradictions(rule),
  ]
}

function budgetContradictions({ max_request_kib, budget_mib }: PlainRule): Complaint[] {
  const tooLarge =
    max_request_kib !== undefined && budget_mib !== undefined && max_request_kib > budget_mib * 1024
  return tooLarge ? [["max_request_kib", "is more than budget_mib allows in all"]] : []
}

function textThat(describe: (text: string) => string | null) {
  return z.string().superRefine((text, context) => {
    const wrong = describe(text)
    if (wrong !== null) context.addIssue({ code: "custom", message: wrong })
  })
}

function listOf<Item extends z.ZodType<string>>(item: Item) {
  return z
    .array(item)
    .min(1, "expected at least one")
    .superRefine((items, context) => {
      for (const [index, one] of items.entries()) {
        if (items.indexOf(one) !== index) {
          context.addIssue({ code: "custom", path: [index], message: `${one} stands here twice` })
        }
      }
    })
}
