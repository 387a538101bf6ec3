/** The battery's outcome for people, programs and CI: a table, JSON, JUnit. Pure. */

import type { AttackOutcome, AttackResult } from "../attack.ts"
import { caseName } from "../vector.ts"

export interface PhaseOutcome extends AttackOutcome {
  readonly phase: string
}

export const TABLE_HEADER = ["vector", "from", "expected", "verdict", "seen", "ms"] as const

export function renderRows(phase: PhaseOutcome): readonly (readonly string[])[] {
  return phase.results.map(({ attack, verdict, ms }) => [
    attack.vector.id,
    attack.from,
    attack.vector.expected,
    VERDICT_WORDS[verdict.kind],
    verdict.seen,
    ms === null ? "" : String(Math.round(ms)),
  ])
}

const VERDICT_WORDS = { held: "held", through: "GOT THROUGH", untried: "NOT TRIED", skipped: "-" } as const

export function toJson({ phase, results, strays }: PhaseOutcome) {
  return {
    phase,
    strays,
    results: results.map(({ attack, verdict, ms, remark }) => ({
      name: caseName(attack),
      vector: attack.vector.id,
      group: attack.vector.group,
      title: attack.vector.title,
      from: attack.from,
      expected: attack.vector.expected,
      verdict: verdict.kind,
      seen: verdict.seen,
      rules: verdict.rules,
      ms,
      // what the guest itself says: shown, never judged by
      remark,
      seenIn: attack.vector.seenIn ?? null,
    })),
  }
}

export function renderJunit(machine: string, phases: readonly PhaseOutcome[]): string {
  const suites = phases.map(({ phase, results, strays }) => {
    const cases = [...results.map(renderCase), ...strays.map(renderStray)]
    const failures = results.filter(({ verdict }) => verdict.kind === "through").length + strays.length
    const errors = results.filter(({ verdict }) => verdict.kind === "untried").length
    const skipped = results.filter(({ verdict }) => verdict.kind === "skipped").length
    const counts = `tests="${cases.length}" failures="${failures}" errors="${errors}" skipped="${skipped}"`
    return `  <testsuite name="${escapeXml(`${machine} ${phase}`)}" ${counts}>\n${cases.join("\n")}\n  </testsuite>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="stereo egress attack">\n${suites.join("\n")}\n</testsuites>\n`
}

function renderCase({ attack, verdict, ms }: AttackResult): string {
  const { group, title, expected } = attack.vector
  const time = ((ms ?? 0) / 1000).toFixed(3)
  const head = `name="${escapeXml(`${caseName(attack)}: ${title}`)}" classname="${group}" time="${time}"`
  const message = `message="${escapeXml(`expected ${expected}: ${verdict.seen}`)}"`
  switch (verdict.kind) {
    case "held":
      return `    <testcase ${head}/>`
    case "through":
      return `    <testcase ${head}><failure ${message}/></testcase>`
    case "untried":
      return `    <testcase ${head}><error ${message}/></testcase>`
    case "skipped":
      return `    <testcase ${head}><skipped ${message}/></testcase>`
    default:
      return verdict.kind satisfies never
  }
}

function renderStray(what: string): string {
  return `    <testcase name="nothing of no vector" classname="strays"><failure message="${escapeXml(what)}"/></testcase>`
}

/** Guests choose some of this text: no markup, and no character that XML 1.0 lacks. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "?")
    .replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
}
