/**
 * What may leave a running machine, on host.sock. Bodies are JSON.
 *
 * | request | answer |
 * |---|---|
 * | GET /machines/NAME/egress | EgressReport |
 * | POST /machines/NAME/reload, OperatorClaim | ReloadReport, also when a set is broken and nothing may leave any more |
 * | POST /machines/NAME/egress/allow, LiveRequest | LiveChange |
 * | POST /machines/NAME/egress/deny, LiveRequest | LiveChange |
 * | POST /machines/NAME/egress/revoke, RevokeRequest | LiveChange |
 * | POST /machines/NAME/egress/ask?timeout_ms=N | AskEvent a line, while AskAnswer a line is taken; ends with either side |
 */

import { z } from "zod"
import { egressGrant, egressPolicy } from "./egress-policy-shape.ts"
import { liveRule } from "./live-rule.ts"

export const MAX_ASK_TIMEOUT_MS = 600_000
export const DEFAULT_ASK_TIMEOUT_MS = 60_000
/** No rule that is made by hand lasts longer: what is needed longer belongs into a set. */
const MAX_LIVE_SECONDS = 30 * 86_400

export const egressReport = z.strictObject({
  policy: egressPolicy,
  /** `ask`: what no rule allows waits for a person's answer. */
  mode: z.enum(["enforce", "ask"]),
  liveRules: z.array(liveRule).readonly(),
  /** When the sets were last read. */
  reloadedAt: z.iso.datetime(),
})
export type EgressReport = z.infer<typeof egressReport>

const claimedUser = z.string().max(64).nullable().default(null)
export const operatorClaim = z.strictObject({ claimedUser })

export const reloadReport = z.strictObject({
  policy: egressPolicy,
  /** Grants that were not there before; a grant that changed is in both lists. */
  opened: z.array(egressGrant).readonly(),
  closed: z.array(egressGrant).readonly(),
  /** Calls under way that were ended, since they would not be allowed any more. */
  cutCalls: z.int(),
  reloadedAt: z.iso.datetime(),
})
export type ReloadReport = z.infer<typeof reloadReport>

const forSeconds = z.int().min(1).max(MAX_LIVE_SECONDS).nullable().default(null)
const why = z.string().min(8, "expected a reason of at least 8 characters").max(500)

/** Host, port, methods and paths are checked as those of an egress set are. */
export const liveRequest = z.strictObject({
  host: z.string(),
  port: z.int().default(443),
  methods: z.array(z.string()).readonly().default(["GET", "HEAD"]),
  paths: z.array(z.string()).readonly().default(["/**"]),
  websocket: z.boolean().default(false),
  why,
  owner: z.string().nullable().default(null),
  forSeconds,
  claimedUser,
})
export type LiveRequest = z.input<typeof liveRequest>

export const revokeRequest = z.strictObject({
  id: z.string().regex(/^live\/\d+$/, "expected a rule such as live/3"),
  why: why.nullable().default(null),
  claimedUser,
})
export type RevokeRequest = z.input<typeof revokeRequest>

export const liveChange = z.strictObject({
  /** Made, or taken back. */
  rule: liveRule,
  /** The denial that closes the host all the same. */
  deniedBy: z.string().nullable(),
  cutCalls: z.int(),
})
export type LiveChange = z.infer<typeof liveChange>

const question = z.strictObject({
  kind: z.literal("question"),
  id: z.int(),
  /** When the first request came that waits for this answer. */
  askedAt: z.iso.datetime(),
  scheme: z.enum(["http", "https"]),
  host: z.string(),
  port: z.int(),
  method: z.string(),
  /** With its query; bounded, as the guest wrote it. */
  path: z.string(),
  websocket: z.boolean(),
  /** What the guest says of the calling process; root in the guest can say anything. */
  process: z.string().nullable(),
  /** What the answer `allow` would open. */
  wouldOpen: z.strictObject({
    methods: z.array(z.string()).readonly(),
    paths: z.array(z.string()).readonly(),
  }),
})
export type AskQuestion = z.infer<typeof question>

export const askEvent = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("asking"), machine: z.string(), timeoutMs: z.int() }),
  question,
  /** The question needs no answer any more; `why` in words. */
  z.strictObject({ kind: z.literal("settled"), id: z.int(), why: z.string() }),
  /** An answer that could not be acted on; its question still waits. */
  z.strictObject({ kind: z.literal("wrong"), id: z.int().nullable(), message: z.string() }),
])
export type AskEvent = z.infer<typeof askEvent>

export const askAnswer = z.strictObject({
  id: z.int(),
  /** `once` and `refuse` are about the request; `allow` and `deny` make a rule about its host. */
  answer: z.enum(["once", "allow", "refuse", "deny"]),
  why: why.nullable().default(null),
  /** How long the rule counts: an hour when it is not given; null: until the run ends. */
  forSeconds: z.int().min(1).max(MAX_LIVE_SECONDS).nullable().default(3600),
})
export type AskAnswer = z.infer<typeof askAnswer>
