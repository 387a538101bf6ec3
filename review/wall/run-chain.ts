/** Takes one packet through one base chain, rule by rule, and writes down the way; the second evaluator. */

import { type IntervalSet, intersect, subtract } from "./interval.ts"
import { ALL_V4, ALL_V6, type Dimension, IPV6, only, type PartialBox } from "./packet-space.ts"
import type { BaseChain, Chain, Rule, Ruleset, Statement, Verdict } from "./statement.ts"

/** One packet on its way. */
export interface Traveller {
  readonly ruleset: Ruleset
  /** Each field's value; several values: one of them, which is not known. */
  readonly values: Record<Dimension, IntervalSet>
  /** What connection tracking will say of it, once it has seen it. */
  readonly tracked: PartialBox
  /** Rules that it matched, in order. */
  readonly trace: string[]
  /** Decides what is not known; all answers are tried. */
  readonly choose: () => boolean
  translated: boolean
  rerouted: boolean
  /** Rules that may still be tried; a ruleset that calls itself ends by it. */
  rulesLeft: number
}

type End = "accept" | "drop"

export function runBaseChain(traveller: Traveller, base: BaseChain): End {
  const end = runChain(traveller, base, base, 0)
  if (end !== null) return end
  traveller.trace.push(`${base.name}: policy ${base.policy}`)
  return base.policy
}

/** Whether the packet lies in the box; a field whose value is open is decided and stays so. */
export function liesIn({ values, choose }: Traveller, box: PartialBox): boolean {
  for (const [name, wanted] of Object.entries(box)) {
    const dimension = name as Dimension
    const yes = intersect(values[dimension], wanted)
    const no = subtract(values[dimension], wanted)
    if (no.length === 0) continue
    if (yes.length === 0) return false
    const goesIn = choose()
    values[dimension] = goesIn ? yes : no
    if (!goesIn) return false
  }
  return true
}

/** Null when the packet came to the chain's end, or to a return. */
function runChain(traveller: Traveller, base: BaseChain, chain: Chain, depth: number): End | null {
  if (depth > 16) return "drop"
  for (const rule of chain.rules) {
    if (--traveller.rulesLeft < 0) return "drop"
    const verdict = runRule(traveller, base, rule, () => {
      traveller.trace.push(`${chain.name} rule ${rule.number}: ${rule.text}`)
    })
    if (verdict === null) continue
    switch (verdict.kind) {
      case "accept":
      case "drop":
        return verdict.kind
      case "return":
        return null
      case "continue":
        break
      case "jump":
      case "goto": {
        const name = [...chain.name.split(" ").slice(0, 2), verdict.target].join(" ")
        const target = traveller.ruleset.chains.get(name)
        const end = target ? runChain(traveller, base, target, depth + 1) : "drop"
        if (end !== null || verdict.kind === "goto") return end
        break
      }
      default:
        verdict satisfies never
    }
  }
  return null
}

/** Null when the rule lets the packet go on to the next. */
function runRule(traveller: Traveller, base: BaseChain, rule: Rule, note: () => void): Verdict | null {
  for (const statement of rule.statements) {
    const verdict = runStatement(traveller, base, statement)
    if (verdict === "next statement") continue
    if (verdict !== "next rule") {
      note()
      return verdict
    }
    return null
  }
  // a rule without a verdict is worth a line if it does anything
  if (rule.statements.some(({ kind }) => kind === "write" || kind === "untrack" || kind === "opaque")) note()
  return null
}

type Step = Verdict | "next statement" | "next rule"

function runStatement(traveller: Traveller, base: BaseChain, statement: Statement): Step {
  switch (statement.kind) {
    case "note":
      return "next statement"
    case "verdict":
      return follow(statement.verdict)
    case "match": {
      if (!liesIn(traveller, statement.must)) return "next rule"
      return statement.any.some((box) => liesIn(traveller, box)) === statement.inverted
        ? "next rule"
        : "next statement"
    }
    case "reject":
      return liesIn(traveller, statement.when) ? { kind: "drop" } : "next rule"
    case "choose": {
      if (!liesIn(traveller, statement.must)) return "next rule"
      const arm = statement.arms.find(({ when }) => liesIn(traveller, when))
      return arm === undefined ? "next rule" : follow(arm.does)
    }
    case "write":
      if (!liesIn(traveller, statement.must)) return "next rule"
      Object.assign(traveller.values, statement.values)
      traveller.rerouted ||= base.type === "route"
      return "next statement"
    case "untrack":
      if (liesIn(traveller, { state: only(3n) })) {
        Object.assign(traveller.values, { state: only(4n), direction: only(2n) })
      }
      return "next statement"
    case "translate":
      return runTranslation(traveller, base, statement)
    case "opaque":
      if (traveller.choose()) return "next rule"
      return statement.mayAccept && traveller.choose() ? { kind: "accept" } : "next statement"
    default:
      return statement satisfies never
  }
}

/** To the kernel `continue` is no verdict at all: what stands behind it in the rule still counts. */
function follow(verdict: Verdict): Step {
  return verdict.kind === "continue" ? "next statement" : verdict
}

function runTranslation(
  traveller: Traveller,
  base: BaseChain,
  { arms, side }: Statement & { kind: "translate" },
): Step {
  const arm = arms.find(({ when }) => liesIn(traveller, when))
  if (arm === undefined) return "next rule"
  Object.assign(traveller.values, arm.does)
  const [to] = arm.does.destination?.[0] ?? []
  // a redirect before routing is to an address of the interface it came by
  if (base.hook === "prerouting" && (to === 0x7f000001n || to === 1n)) {
    traveller.values.destination = traveller.values.family[0]?.[0] === IPV6 ? ALL_V6 : ALL_V4
  }
  traveller.translated = true
  traveller.rerouted ||= side === "destination" && base.hook === "output"
  return { kind: "accept" }
}
