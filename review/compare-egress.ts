/** From what is known of two targets to what opens between them. Pure. */

import type { EgressDenial, EgressPolicy } from "../contract/egress-grant.ts"
import type { DiffFormat, EgressDiff, WallVerdict } from "./egress-diff.ts"
import type { EgressView } from "./egress-view.ts"
import { comparePolicies } from "./policy/compare-policies.ts"
import { renderDiffJson } from "./policy/render-diff-json.ts"
import { renderDiffMarkdown } from "./policy/render-diff-markdown.ts"
import { renderDiffText } from "./policy/render-diff-text.ts"
import { compareWalls } from "./wall-diff.ts"

export interface ComparedViews {
  readonly before: EgressView
  readonly after: EgressView
  /** UTC, YYYY-MM-DD. */
  readonly today: string
  /** Asked of a kernel's listing, as JSON text; it says nothing it has not shown. */
  readonly prove: (listing: string) => WallVerdict
}

export function compareEgress({ before, after, today, prove }: ComparedViews): EgressDiff {
  const policy = comparePolicies(before.policy, lasting(before, after), today)
  const wall = compareWalls(before.wall, after.wall)
  const listing = after.wall.kind === "ruleset" ? after.wall.canonical : null
  const proof = wall.kind === "same" || listing === null ? null : prove(listing)
  const wallOpens = wall.kind !== "same" && proof?.proven !== true
  return { before, after, today, policy, wall, proof, opens: policy.opens.length > 0 || wallOpens }
}

/** A denial that ends by itself closes nothing for good, unless the first has the very same. */
function lasting(before: EgressView, { policy, endingDenials }: EgressView): EgressPolicy {
  if (policy.kind === "broken") return policy
  const known = before.policy.kind === "rules" ? before.policy.denials : []
  const same = (left: EgressDenial, right: EgressDenial) => JSON.stringify(left) === JSON.stringify(right)
  const denials = policy.denials.filter(
    (denial) =>
      !endingDenials.includes(denial.id) ||
      (before.endingDenials.includes(denial.id) && known.some((other) => same(other, denial))),
  )
  return { ...policy, denials }
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
