/** What a reviewer should look at as SARIF 2.1.0, so that code review shows it at its line. Pure. */

import { createHash } from "node:crypto"
import type { EgressView } from "../egress-view.ts"
import { FACT_KINDS, type FactKind, findFacts, type ReviewFact } from "./find-facts.ts"
import { oneLine } from "./plain-text.ts"

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

/** `today` is the day in UTC, YYYY-MM-DD. */
export function renderSarif(view: EgressView, today: string): string {
  const kinds = Object.keys(FACT_KINDS) as FactKind[] // Object.keys knows no keys of a type
  const rules = kinds.map((kind) => ({
    id: `egress/${kind}`,
    shortDescription: { text: FACT_KINDS[kind].title },
    defaultConfiguration: { level: FACT_KINDS[kind].level },
  }))
  const run = {
    tool: { driver: { name: "stereo egress show", rules } },
    columnKind: "utf16CodeUnits",
    originalUriBaseIds: { SRCROOT: { description: { text: "the project's folder" } } },
    properties: { target: view.target, readFrom: view.readFrom },
    results: findFacts(view.policy, today).map((fact) => renderResult(fact, view, kinds)),
  }
  return `${JSON.stringify({ $schema: SCHEMA, version: "2.1.0", runs: [run] }, null, 2)}\n`
}

function renderResult(fact: ReviewFact, view: EgressView, kinds: readonly FactKind[]): object {
  const { kind, subject, message, rule, file, line } = fact
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([kind, rule, file, subject, message]))
    .digest("hex")
  return {
    ruleId: `egress/${kind}`,
    ruleIndex: kinds.indexOf(kind),
    level: FACT_KINDS[kind].level,
    message: { text: oneLine(`${rule ?? view.target}: ${subject}: ${message}`) },
    locations: [line > 0 || file.endsWith(".toml") ? atLine(file, line) : atRule(rule ?? view.target)],
    partialFingerprints: { "egressFact/v1": fingerprint },
  }
}

function atLine(file: string, line: number): object {
  const uri = file.split("/").map(encodeURIComponent).join("/")
  const artifactLocation = { uri, uriBaseId: "SRCROOT" }
  return { physicalLocation: { artifactLocation, region: { startLine: Math.max(1, line) } } }
}

/** A rule that was made while the machine ran stands in no file. */
function atRule(name: string): object {
  return { logicalLocations: [{ fullyQualifiedName: oneLine(name) }] }
}
