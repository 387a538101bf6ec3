/** A comparison as a document for programs. Pure. */

import type { EgressDiff } from "../egress-diff.ts"
import type { EgressView } from "../egress-view.ts"
import type { Opening } from "../policy-diff.ts"
import { type Direction, describeChange, describeOpening } from "./describe-opening.ts"
import { summarise } from "./describe-wall-diff.ts"

export function renderDiffJson(diff: EgressDiff): string {
  const { opens, today, policy, wall, proof, before, after } = diff
  const worded = (openings: readonly Opening[], direction: Direction) =>
    openings.map((one) => ({ ...one, words: describeOpening(one, direction, today) }))
  const document = {
    ...{ opens, summary: summarise(diff), today },
    before: describeView(before),
    after: describeView(after),
    policy: {
      opens: worded(policy.opens, "opens"),
      closes: worded(policy.closes, "closes"),
      ends: worded(policy.ends, "closes"),
      changes: policy.changes.map((change) => ({ ...change, words: describeChange(change) })),
    },
    ...{ wall, proof },
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function describeView({ target, kind, readFrom, notes, policy }: EgressView): object {
  const broken = policy.kind === "broken" ? { rule: policy.rule, reason: policy.reason } : null
  return { target, kind, readFrom, notes, broken }
}
