/** A comparison as text for a terminal. Pure. */

import type { EgressDiff } from "../egress-diff.ts"
import type { EgressView } from "../egress-view.ts"
import type { Opening } from "../policy-diff.ts"
import { type Direction, describeChange, describeOpening } from "./describe-opening.ts"
import { describeWall, summarise } from "./describe-wall-diff.ts"
import { oneLine } from "./plain-text.ts"

export function renderDiffText(diff: EgressDiff): string {
  const { before, after, policy, today } = diff
  const list = (openings: readonly Opening[], direction: Direction) =>
    openings.flatMap((one) => renderOpening(one, direction, today))
  const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ["From", describeView(before)],
    ["To", describeView(after)],
    ["OPENS", list(policy.opens, "opens")],
    ["Closes", list(policy.closes, "closes")],
    ["Ends earlier", list(policy.ends, "closes")],
    ["Changes, and opens nothing", policy.changes.map((change) => `~ ${describeChange(change)}`)],
    ["Inner wall", describeWall(diff)],
    ["In short", [summarise(diff)]],
  ]
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${title}\n${lines.map((line) => `  ${oneLineKept(line)}\n`).join("")}`)
    .join("\n")
}

function renderOpening(opening: Opening, direction: Direction, today: string): string[] {
  const { what, how, example, terms, why, owner, rule } = describeOpening(opening, direction, today)
  return [
    `${direction === "opens" ? "+" : "-"} ${what}`,
    `    ${how}`,
    ...(example === null ? [] : [`    e.g. ${example}`]),
    ...(terms === null ? [] : [`    terms: ${terms}`]),
    `    why: ${why}`,
    `    owner: ${owner}`,
    `    rule: ${rule}`,
  ]
}

function describeView({ target, readFrom, notes, policy }: EgressView): string[] {
  const broken = policy.kind === "broken" ? [`! broken, so nothing leaves: ${policy.reason}`] : []
  return [`${target}: ${readFrom}`, ...notes, ...broken]
}

/** With its indentation. */
function oneLineKept(line: string): string {
  const start = line.length - line.trimStart().length
  return `${" ".repeat(start)}${oneLine(line.trimStart())}`
}
