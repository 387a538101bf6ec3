/** A policy as text for a terminal. Pure. */

import type { EgressPolicy } from "../../contract/egress-grant.ts"
import type { EgressView, InnerWall } from "../egress-view.ts"
import { describeFloor } from "./describe-floor.ts"
import { describeGrant, describePlace } from "./describe-grant.ts"
import { FACT_KINDS, factsAbout, findFacts } from "./find-facts.ts"
import { manyLines, oneLine } from "./plain-text.ts"

export function renderText(view: EgressView, today: string): string {
  const head = [`What may leave ${view.target}`, `read from ${view.readFrom}`, ...view.notes]
  const sections = [
    head.map(oneLine),
    renderPolicy(view.policy, today),
    ["The floor", ...describeFloor().flatMap(wrap)],
    ["The inner wall", ...renderWall(view.wall)],
  ]
  return sections.map((lines) => `${lines.join("\n")}\n`).join("\n")
}

function renderPolicy(policy: EgressPolicy, today: string): string[] {
  if (policy.kind === "broken") {
    return ["NOTHING: the policy is broken", ...indent([`${policy.rule}: ${oneLine(policy.reason)}`])]
  }
  const facts = findFacts(policy, today)
  const rules = policy.grants.flatMap((grant) => {
    const { place, origin, methods, paths, query, terms, why, owner, expiry, id } = describeGrant(
      grant,
      today,
    )
    const marks = factsAbout(facts, grant).filter(({ kind }) => FACT_KINDS[kind].level !== "note")
    const rows = [
      `${methods} ${paths.join(" ")}`,
      [query, ...terms].join("; "),
      `why: ${why}`,
      `owner: ${owner}; ${expiry}`,
      `rule: ${id} at ${place}`,
      ...marks.map(({ message }) => `look at: ${message}`),
    ]
    return [`  ${oneLine(origin)}`, ...indent(indent(rows.map(oneLine)))]
  })
  const denials = policy.denials.map((denial) => {
    return `  ${oneLine(`${denial.host} is closed by ${denial.owner}: ${denial.why} (${denial.id} at ${describePlace(denial)})`)}`
  })
  return [
    `Rules: ${countRules(policy.grants.length)}, of ${oneLine(describeSets(policy.sets))}`,
    ...rules,
    ...(denials.length > 0 ? ["Closed, whatever the rules say", ...denials] : []),
  ]
}

function countRules(count: number): string {
  if (count === 0) return "none, so nothing leaves"
  return count === 1 ? "one way out" : `${count} ways out`
}

function describeSets(sets: readonly string[]): string {
  if (sets.length === 0) return "no egress set"
  return `the egress set${sets.length > 1 ? "s" : ""} ${sets.join(", ")}`
}

function renderWall(wall: InnerWall): string[] {
  if (wall.kind === "unknown") return indent([oneLine(`not known: ${wall.why}`)])
  const text = manyLines((wall.text ?? wall.canonical ?? "").trimEnd())
  return [`  ${oneLine(wall.from)}`, "", ...indent(text.split("\n"))]
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line === "" ? "" : `  ${line}`))
}

const WIDTH = 110

function wrap(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(last === undefined ? `  ${word}` : `    ${word}`)
  }
  return lines
}
