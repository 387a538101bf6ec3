/** What `egress diff` prints, whatever its format. */

import type { EgressView } from "./egress-view.ts"
import type { PolicyDiff } from "./policy-diff.ts"
import type { WallDiff } from "./wall-diff.ts"

export const DIFF_FORMATS = ["text", "markdown", "json"] as const
export type DiffFormat = (typeof DIFF_FORMATS)[number]

/** What the prover says of the second's packet filter; `lines` in words. */
export interface WallVerdict {
  readonly proven: boolean
  readonly lines: readonly string[]
}

export interface EgressDiff {
  readonly before: EgressView
  readonly after: EgressView
  /** UTC, YYYY-MM-DD. */
  readonly today: string
  readonly policy: PolicyDiff
  readonly wall: WallDiff
  /** Null: nobody was asked, since the walls are the same or the second is not known. */
  readonly proof: WallVerdict | null
  /** Whether a person must look: something leaves that did not, or may. */
  readonly opens: boolean
}
