/** What may leave, as the decision, `egress show` and `egress diff` see it: flat, with its source and its reason. */

/** Something about a request that its head does not tell; the host reads the body, bounded, before it decides. */
export type BodyCheck = "git-lfs-download"

/** Where a rule stands. */
export interface EgressSource {
  /** Path as a reader finds it, for example `policies/egress/npm.toml`; `live` for a rule made while running. */
  readonly file: string
  /** From 1; 0 where there is no file. */
  readonly line: number
}

/** One way out. Everything in it must fit the request; there is no way out but by a grant. */
export interface EgressGrant {
  /** Stands in verdicts and in the archive, for example `egress/npm#1` or `live/3`. */
  readonly id: string
  readonly source: EgressSource
  readonly scheme: "http" | "https"
  /** Lower case; `*.example.com` stands for exactly one label before it. */
  readonly host: string
  readonly port: number
  readonly methods: readonly string[]
  /** Path patterns: `*` stays inside a segment, `**` as the last segment is any rest; neither matches an encoded slash, which a pattern spells. */
  readonly paths: readonly string[]
  /** `any`, `none`, or the one query string, without its question mark, that is allowed. */
  readonly query: "any" | "none" | { readonly only: string }
  readonly bodyCheck: BodyCheck | null
  /** Part of a rule with `git = "read"`; its host is then read only, whatever other grants say of it. */
  readonly git: "transport" | "api" | null
  /** Whether a WebSocket may be opened; its frames are relayed one by one, never as a pipe. */
  readonly websocket: boolean
  /** Longest path with its query, in bytes; null: the gateway's own cap. */
  readonly maxPathBytes: number | null
  /** Largest request body in bytes, 0 for none at all; null: the gateway's own cap. */
  readonly maxRequestBytes: number | null
  /** Bytes that one run of a machine may send to this host by this grant; null: the machine's own budget. */
  readonly budgetBytes: number | null
  readonly why: string
  readonly owner: string
  /** Last day (UTC, YYYY-MM-DD) on which it counts; null: until it is taken out. */
  readonly expires: string | null
}

/** A host that was closed while the machine ran; it wins over every grant. */
export interface EgressDenial {
  readonly id: string
  readonly source: EgressSource
  readonly host: string
  readonly why: string
  readonly owner: string
}

/** All that decides what leaves a machine. Broken: one part could not be read, so nothing leaves. */
export type EgressPolicy =
  | {
      readonly kind: "rules"
      readonly sets: readonly string[]
      readonly grants: readonly EgressGrant[]
      readonly denials: readonly EgressDenial[]
    }
  | { readonly kind: "broken"; readonly rule: string; readonly reason: string }
