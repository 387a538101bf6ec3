/** What a rule's statements mean to the proof: a small language that both evaluators read. */

import type { PartialBox } from "./packet-space.ts"

export type Verdict =
  | { readonly kind: "accept" | "drop" | "return" | "continue" }
  | { readonly kind: "jump" | "goto"; readonly target: string }

/** One value of a set or map: the packets it stands for. */
export interface Arm<Outcome> {
  readonly when: PartialBox
  readonly does: Outcome
}

export type Statement =
  /** Counts, logs or notes; no packet's way depends on it. */
  | { readonly kind: "note" }
  /** Goes on if what is read is there (`must`) and lies in one of `any`, or in none of them when inverted. */
  | {
      readonly kind: "match"
      readonly must: PartialBox
      readonly any: readonly PartialBox[]
      readonly inverted: boolean
    }
  | { readonly kind: "verdict"; readonly verdict: Verdict }
  /** Dropped with an answer. `when` is what nft leaves out of its listing: the answer fits only such packets. */
  | { readonly kind: "reject"; readonly when: PartialBox }
  | { readonly kind: "choose"; readonly must: PartialBox; readonly arms: readonly Arm<Verdict>[] }
  /** Puts values in place of the packet's. */
  | { readonly kind: "write"; readonly must: PartialBox; readonly values: PartialBox }
  | { readonly kind: "untrack" }
  /** Address translation, which ends the chain; a packet that no arm is for goes on to the next rule. */
  | {
      readonly kind: "translate"
      readonly side: "source" | "destination"
      readonly arms: readonly Arm<PartialBox>[]
    }
  /** Not understood. What it may do: let the packet go on, or also end the base chain with accept. */
  | { readonly kind: "opaque"; readonly what: string; readonly mayAccept: boolean }

export interface Rule {
  /** Its place in the chain, from 1. */
  readonly number: number
  /** In nft's words, near enough to find it. */
  readonly text: string
  readonly statements: readonly Statement[]
}

export interface Chain {
  /** `FAMILY TABLE CHAIN`. */
  readonly name: string
  readonly rules: readonly Rule[]
}

export const HOOKS = ["ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"] as const
export type Hook = (typeof HOOKS)[number]

/** A chain that the kernel enters by itself. */
export interface BaseChain extends Chain {
  readonly family: "inet" | "ip" | "ip6" | "netdev"
  readonly type: "filter" | "nat" | "route"
  readonly hook: Hook
  readonly priority: number
  readonly policy: "accept" | "drop"
  /** For ingress and egress: the interfaces it listens on, as packet-space values; null for all. */
  readonly devices: readonly bigint[] | null
}

/** Something that the proof does not understand, and where it stands. */
export interface Construct {
  readonly where: string
  readonly what: string
}

/** A ruleset, read. */
export interface Ruleset {
  /** Chains by name. */
  readonly chains: ReadonlyMap<string, Chain>
  readonly bases: readonly BaseChain[]
  /** Interfaces by index; what they stand for is a name, or a kind of name that no rule tells apart. */
  readonly interfaces: readonly string[]
  /** What is not understood whether a packet comes by or not. */
  readonly constructs: readonly Construct[]
}
