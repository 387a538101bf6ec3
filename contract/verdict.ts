/** What policy says of one request, and the body with which a refusal is answered. */

import { z } from "zod"
import type { EgressGrant } from "./egress-grant.ts"

/** A request as the decision sees it: structured, lower-case host, no trailing dot, explicit port. */
export interface EgressRequest {
  readonly scheme: "http" | "https"
  readonly host: string
  readonly port: number
  readonly method: string
  /** Path without query, percent-encoding as it came. */
  readonly path: string
  /** Without its question mark; null when there is none. */
  readonly query: string | null
  /** The request asks to become a WebSocket. */
  readonly websocket: boolean
}

export type Verdict =
  | {
      readonly kind: "allow"
      readonly rule: string
      readonly why: string
      readonly grant: EgressGrant | null
    }
  | { readonly kind: "refuse"; readonly rule: string; readonly reason: string; readonly hint: string }

/** JSON body of a structured 403 (or 400, 413, 502: the status is the response's own). */
export const refusalBody = z.strictObject({
  error: z.strictObject({
    /** Always `stereo_refused`, so that a program can tell it from the provider's own errors. */
    type: z.literal("stereo_refused"),
    /** The rule that refused, for example `egress/no-rule` or `egress/coder-anthropic#2`. */
    rule: z.string(),
    /** One sentence in words. */
    message: z.string(),
    /** How to ask for what was refused. */
    hint: z.string(),
    /** The exchange's id in the archive. */
    exchange: z.string(),
  }),
})
export type RefusalBody = z.infer<typeof refusalBody>
