/** What is known of an image, a machine or a card before it is shown or compared. */

import type { EgressPolicy } from "../contract/egress-grant.ts"
import type { SiteWall } from "../contract/site.ts"

export const SHOW_FORMATS = ["text", "markdown", "html", "sarif", "json"] as const
export type ShowFormat = (typeof SHOW_FORMATS)[number]

export interface EgressView {
  /** As it was asked for, for example `main:coder`. */
  readonly target: string
  readonly kind: "image" | "definition" | "machine" | "card"
  /** What was read, in words. */
  readonly readFrom: string
  /** What a reader must know besides. */
  readonly notes: readonly string[]
  readonly policy: EgressPolicy
  /** Ids of denials that end by themselves; a grant that does has its last day in `expires`. */
  readonly endingDenials: readonly string[]
  readonly wall: InnerWall
}

/** The packet filter in the guest. */
export type InnerWall =
  | {
      readonly kind: "ruleset"
      /** Where it is from, in words. */
      readonly from: string
      /** As nft reads it; null where only a kernel's listing is known. */
      readonly text: string | null
      /** A kernel's listing of it in the form of contract/canonical-ruleset.ts; null where none has loaded it yet. */
      readonly canonical: string | null
      /** Of an image for a cloud: what it is promised to let through besides. */
      readonly site?: SiteWall
    }
  | { readonly kind: "unknown"; readonly why: string }
