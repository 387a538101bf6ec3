/** A comparison as Markdown for a review. Pure. */

import type { EgressDiff } from "../egress-diff.ts"
import type { EgressView } from "../egress-view.ts"
import type { Opening } from "../policy-diff.ts"
import { type Direction, describeChange, describeOpening } from "./describe-opening.ts"
import { describeWall, summarise } from "./describe-wall-diff.ts"
import { code, fenced, prose } from "./markdown.ts"

export function renderDiffMarkdown(diff: EgressDiff): string {
  const { before, after, policy, today } = diff
  const list = (openings: readonly Opening[], direction: Direction) =>
    openings.map((one) => renderOpening(one, direction, today))
  const changes = policy.changes.map((change) => `- ${prose(describeChange(change))}`)
  const wall = describeWall(diff)
  const sections: readonly (readonly [title: string, items: readonly string[]])[] = [
    ["Opens", list(policy.opens, "opens")],
    ["Closes", list(policy.closes, "closes")],
    ["Ends earlier", list(policy.ends, "closes")],
    ["Changes, and opens nothing", changes],
    ["Inner wall", wall.length === 1 ? [prose(wall[0] ?? "")] : [fenced(wall.join("\n"), "diff")]],
  ]
  const head = [
    `# Egress: ${prose(summarise(diff))}`,
    [describeView("From", before), describeView("To", after)].join("\n"),
  ]
  const body = sections.flatMap(([title, items]) =>
    items.length === 0 ? [] : [`## ${title}`, items.join("\n")],
  )
  return `${[...head, ...body].join("\n\n")}\n`
}

function renderOpening(opening: Opening, direction: Direction, today: string): string {
  const { what, how, example, terms, why, owner, rule } = describeOpening(opening, direction, today)
  const details = [
    prose(how),
    ...(example === null ? [] : [`for example ${code(example)}`]),
    ...(terms === null ? [] : [`terms: ${prose(terms)}`]),
    `why: ${prose(why)}`,
    `owner: ${prose(owner)}`,
    `rule: ${prose(rule)}`,
  ]
  return [`- ${code(what)}`, ...details.map((detail) => `  - ${detail}`)].join("\n")
}

function describeView(title: string, { target, readFrom, notes, policy }: EgressView): string {
  const broken = policy.kind === "broken" ? ` **Broken, so nothing leaves:** ${prose(policy.reason)}.` : ""
  return `- ${title} ${code(target)}: ${[readFrom, ...notes].map(prose).join("; ")}.${broken}`
}
