/** What two policies differ in, as the renderers see it. */

import type { EgressGrant } from "../contract/egress-grant.ts"
import type { EgressRequest } from "../contract/verdict.ts"

/**
 * Why something opens: `request`, it was refused; `later`, only from a later day on, since a rule counts longer;
 * `denial`, what closed it is gone; `body-check`, `request-size` and `budget`, it was allowed, but less of it;
 * `undecided`, the patterns are too many to tell, and what is not known to be closed counts as open.
 */
export type OpeningCause =
  | "request"
  | "later"
  | "denial"
  | "body-check"
  | "request-size"
  | "budget"
  | "undecided"

/** Requests that one policy allows by one of its grants and the other does not, or not as freely. */
export interface Opening {
  readonly cause: OpeningCause
  /** Of the policy that allows more. */
  readonly grant: EgressGrant
  /** By which the other allowed less; null where it allowed nothing. */
  readonly other: EgressGrant | null
  /** The first day on which it differs, YYYY-MM-DD. */
  readonly day: string
  /** Of the grant's methods, hosts, paths and queries those that differ. */
  readonly methods: readonly string[]
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly queries: readonly ("any" | "none" | { readonly only: string })[]
  /** Only WebSockets differ. */
  readonly websocketOnly: boolean
  /** One request that differs on `day`; null where none could be made. */
  readonly example: EgressRequest | null
}

/** Something that a reviewer wants to know and that lets no more out. */
export interface RuleChange {
  readonly kind: "why" | "owner" | "source" | "redundant" | "superseded" | "sets" | "denial"
  /** The rule, or what else it is about. */
  readonly subject: string
  /** Where to look, `FILE:LINE`. */
  readonly place: string
  readonly before: string | null
  readonly after: string | null
}

export interface PolicyDiff {
  readonly opens: readonly Opening[]
  readonly closes: readonly Opening[]
  /** Of what closes that which closes later than today: a rule that counts shorter. */
  readonly ends: readonly Opening[]
  readonly changes: readonly RuleChange[]
}
