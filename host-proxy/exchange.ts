/** The documents that the host service's stages hand to each other about one call of one machine. */

import type { ProviderApi } from "../contract/provider-definition.ts"

/** Headers in the order and number of the wire, names in lower case. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** Who calls: read from the socket that the call came by, never from what the guest says. */
export interface Caller {
  readonly machine: string
  readonly runId: string
  readonly team: string
  readonly project: string
}

/** What the guest says of a call; kept beside the facts, never used for a decision except to refuse. */
export interface Claims {
  /** The capture proxy's id of the exchange. */
  readonly exchange: string | null
  /** `PID EXECUTABLE`. */
  readonly process: string | null
  readonly sni: string | null
  /** The harness's own session id. */
  readonly session: string | null
}

/** The head of a call as it came over the egress wire, claims and stereo's own headers taken off. */
export interface GuestHead {
  readonly method: string
  readonly scheme: string
  readonly authority: string
  /** Path with query as on the wire; empty for CONNECT. */
  readonly target: string
  readonly headers: HeaderList
  readonly claims: Claims
  /** The request asks to become a WebSocket (RFC 8441's extended CONNECT; its method reads GET). Absent: no. */
  readonly upgrade?: "websocket"
}

/** An answer of stereo's own in place of an upstream's. */
export interface Refusal {
  readonly status: number
  readonly rule: string
  readonly reason: string
  readonly hint: string
}

export type Outcome = "complete" | "client-aborted" | "upstream-failed" | "refused" | "interrupted"

/** What is known of an exchange when it is opened; enough to recover it after a crash. */
export interface ExchangeOpening {
  readonly id: string
  readonly caller: Caller
  readonly head: GuestHead
  readonly startedAtMs: number
}

/** What policy and provider said of an exchange, before any byte of an answer. */
export interface ExchangeRouting {
  /** The verdict's rule, or what went wrong later. */
  readonly rule: string
  readonly reason: string | null
  readonly provider: string | null
  readonly api: ProviderApi | null
}

/** How an answer began. */
export interface AnswerHead {
  readonly status: number
  readonly headers: HeaderList
  readonly firstByteAtMs: number
}

/** How an exchange ended. */
export interface ExchangeEnd {
  readonly outcome: Outcome
  /** What the upstream or its connection did wrong. */
  readonly upstreamError: string | null
  readonly endedAtMs: number
}

/** One line for the service's log. */
export type Log = (line: string) => void
