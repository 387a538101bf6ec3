/** From what is known of two targets to what opens between them. Pure. */

import type { EgressDiff, WallProof } from "./egress-diff.ts"
import type { EgressView } from "./egress-view.ts"
import { comparePolicies } from "./policy/compare-policies.ts"
import { renderDiffJson } from "./policy/render-diff-json.ts"
import { renderDiffMarkdown } from "./policy/render-diff-markdown.ts"
import { renderDiffText } from "./policy/render-diff-text.ts"
import { compareWalls } from "./wall-diff.ts"

export const DIFF_FORMATS = ["text", "markdown", "json"] as const
export type DiffFormat = (typeof DIFF_FORMATS)[number]

export interface ComparedViews {
  readonly before: EgressView
  readonly after: EgressView
  /** UTC, YYYY-MM-DD. */
  readonly today: string
  /** Asked of a kernel's listing, as JSON text; it says nothing it has not shown. */
  readonly prove: (listing: string) => WallProof
}

export function compareEgress({ before, after, today, prove }: ComparedViews): EgressDiff {
  const policy = comparePolicies(before.policy, after.policy, today)
  const wall = compareWalls(before.wall, after.wall)
  const listing = after.wall.kind === "ruleset" ? after.wall.canonical : null
  const proof = wall.kind === "same" || listing === null ? null : prove(listing)
  const wallOpens = wall.kind !== "same" && proof?.proven !== true
  return { before, after, today, policy, wall, proof, opens: policy.opens.length > 0 || wallOpens }
}

export function renderDiff(diff: EgressDiff, format: DiffFormat): string {
  switch (format) {
    case "text":
      return renderDiffText(diff)
    case "markdown":
      return renderDiffMarkdown(diff)
    case "json":
      return renderDiffJson(diff)
    default:
      return format satisfies never
  }
}
