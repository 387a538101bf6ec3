/** A policy as one HTML file for a review: no script, nothing loaded, everything escaped, readable in print. Pure. */

import type { EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import type { EgressView, InnerWall } from "../egress-view.ts"
import { describeFloor } from "./describe-floor.ts"
import { describeGrant, describePlace } from "./describe-grant.ts"
import { FACT_KINDS, factsAbout, findFacts, type ReviewFact } from "./find-facts.ts"
import { manyLines, oneLine } from "./plain-text.ts"

/** Without it a browser would ask for nothing either; with it a mistake here would do no harm. */
const CSP = "default-src 'none'; style-src 'unsafe-inline'"
const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.from, .by { color: #555 } code, pre { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { white-space: pre-wrap; background: #f6f6f4; padding: 1rem; border-radius: 4px }
article { border-top: 1px solid #ddd; padding: .8rem 0; break-inside: avoid } article p { margin: .25rem 0 }
.place code { font-weight: 600; font-size: 15px } .look { color: #7a4b00 } .look::before { content: "look at: " }
.expired { opacity: .6 } .broken { color: #a00000; font-weight: 600 }
@media print { body { margin: 0; max-width: none; font-size: 11pt } pre { font-size: 8pt } }`

export function renderHtml(view: EgressView, today: string): string {
  const title = `What may leave ${view.target}`
  const body = [
    `<h1>${text(title)}</h1>`,
    `<p class="from">Read from ${text(view.readFrom)}, on ${today} (UTC).</p>`,
    ...view.notes.map((note) => `<p class="look">${text(note)}</p>`),
    ...renderPolicy(view.policy, today),
    "<h2>The floor</h2>",
    `<ul>${describeFloor()
      .map((line) => `<li>${text(line)}</li>`)
      .join("")}</ul>`,
    "<h2>The inner wall</h2>",
    ...renderWall(view.wall),
  ]
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><title>${text(title)}</title>`,
    `<meta http-equiv="Content-Security-Policy" content="${CSP}">`,
    `<meta name="viewport" content="width=device-width"><style>${STYLE}\n</style></head><body>`,
    ...body,
    "</body></html>\n",
  ].join("\n")
}

function renderPolicy(policy: EgressPolicy, today: string): string[] {
  if (policy.kind === "broken") {
    return [
      "<h2>Nothing: the policy is broken</h2>",
      `<p class="broken">${text(`${policy.rule}: ${policy.reason}`)}</p>`,
    ]
  }
  const facts = findFacts(policy, today)
  const denials = policy.denials.map((denial) => {
    const by = `by ${denial.owner}: ${denial.why} (${denial.id} at ${describePlace(denial)})`
    return `<article><p class="place">${codeOf(denial.host)}</p><p>${text(by)}</p></article>`
  })
  const sets = policy.sets.length === 0 ? "No egress set." : `Egress sets: ${policy.sets.join(", ")}.`
  return [
    "<h2>Rules</h2>",
    `<p>${text(sets)}${policy.grants.length === 0 ? " Nothing may leave: there is no rule." : ""}</p>`,
    ...policy.grants.map((grant) => renderGrant(grant, facts, today)),
    ...(denials.length > 0 ? ["<h2>Closed, whatever the rules say</h2>", ...denials] : []),
  ]
}

function renderGrant(grant: EgressGrant, facts: readonly ReviewFact[], today: string): string {
  const words = describeGrant(grant, today)
  const looks = factsAbout(facts, grant).filter(({ kind }) => FACT_KINDS[kind].level === "warning")
  const { origin, methods, paths, query, terms, why, owner, expiry, id, place, state } = words
  return [
    `<article${state === "expired" ? ' class="expired"' : ""}>`,
    `<p class="place">${codeOf(origin)}</p>`,
    `<p>${text(methods)} ${paths.map(codeOf).join(" ")}</p>`,
    `<p>${text([query, ...terms].join("; "))}</p>`,
    `<p>${text(`why: ${why}`)}</p>`,
    `<p class="by">${text(`${owner}; ${expiry}`)}; ${codeOf(id)} at ${codeOf(place)}</p>`,
    ...looks.map(({ message }) => `<p class="look">${text(message)}</p>`),
    "</article>",
  ].join("\n")
}

function renderWall(wall: InnerWall): string[] {
  if (wall.kind === "unknown") return [`<p class="broken">${text(`Not known: ${wall.why}`)}</p>`]
  return [`<p>${text(wall.from)}:</p>`, `<pre>${escaped(manyLines(wall.text ?? wall.canonical ?? ""))}</pre>`]
}

function codeOf(words: string): string {
  return `<code>${text(words)}</code>`
}

function text(words: string): string {
  return escaped(oneLine(words))
}

function escaped(words: string): string {
  return words.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`)
}
