/** A policy as Markdown for a review. Pure. */

import type { EgressPolicy } from "../../contract/egress-grant.ts"
import type { EgressView, InnerWall } from "../egress-view.ts"
import { describeFloor } from "./describe-floor.ts"
import { describeGrant, describePlace } from "./describe-grant.ts"
import { FACT_KINDS, findFacts } from "./find-facts.ts"
import { code, fenced, prose } from "./markdown.ts"

export function renderMarkdown(view: EgressView, today: string): string {
  const sections = [
    [`# What may leave ${prose(view.target)}`, `Read from ${prose(view.readFrom)}, on ${today} (UTC).`],
    view.notes.map((note) => `> ${prose(note)}`),
    renderPolicy(view.policy, today),
    renderFacts(view.policy, today),
    [
      "## The floor",
      describeFloor()
        .map((line) => `- ${prose(line)}`)
        .join("\n"),
    ],
    ["## The inner wall", ...renderWall(view.wall)],
  ]
  return `${sections.flat().join("\n\n")}\n`
}

function renderPolicy(policy: EgressPolicy, today: string): string[] {
  if (policy.kind === "broken") {
    return ["## Nothing: the policy is broken", `${code(policy.rule)}: ${prose(policy.reason)}`]
  }
  const rows = policy.grants.map((grant) => {
    const { id, place, origin, methods, paths, query, terms, why, owner, expiry } = describeGrant(
      grant,
      today,
    )
    const request = [code(origin), methods, ...paths.map(code)].join(" ")
    const columns = [
      request,
      [query, ...terms].map(prose).join("; "),
      prose(why),
      prose(`${owner}; ${expiry}`),
    ]
    return `| ${[...columns, `${code(id)} ${code(place)}`].map(cell).join(" | ")} |`
  })
  const table = ["| may leave | on terms | why | owner, expiry | rule |", "|---|---|---|---|---|", ...rows]
  const denials = policy.denials.map((denial) => {
    const rule = `${code(denial.id)} ${code(describePlace(denial))}`
    return `- ${code(denial.host)}, by ${prose(denial.owner)}: ${prose(denial.why)} (${rule})`
  })
  return [
    "## Rules",
    policy.sets.length === 0 ? "No egress set." : `Egress sets: ${policy.sets.map(code).join(", ")}.`,
    rows.length === 0 ? "Nothing may leave: there is no rule." : table.join("\n"),
    ...(denials.length > 0 ? ["## Closed, whatever the rules say", denials.join("\n")] : []),
  ]
}

function renderFacts(policy: EgressPolicy, today: string): string[] {
  const facts = findFacts(policy, today).filter(({ kind }) => FACT_KINDS[kind].level === "warning")
  if (facts.length === 0) return []
  const lines = facts.map((fact) => {
    const place = fact.line > 0 ? `${fact.file}:${fact.line}` : fact.file
    return `- ${code(fact.subject)}: ${prose(fact.message)} (${code(fact.rule ?? "")} ${code(place)})`
  })
  return ["## To look at", lines.join("\n")]
}

function renderWall(wall: InnerWall): string[] {
  if (wall.kind === "unknown") return [`Not known: ${prose(wall.why)}.`]
  return [
    `${prose(wall.from)}:`,
    fenced(wall.text ?? wall.canonical ?? "", wall.text === null ? "json" : "nft"),
  ]
}

/** A bar ends a table's cell, in a code span, too. */
function cell(markdown: string): string {
  return markdown.replace(/(?<!\\)\|/g, "\\|")
}
