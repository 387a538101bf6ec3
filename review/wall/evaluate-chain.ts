/** Sends regions of packets through a chain: all packets at once, each rule cutting them in two. */

import { ALL_V4, ALL_V6, IPV4, only, type PartialBox } from "./packet-space.ts"
import { joinRegions, type Region, splitRegion } from "./region.ts"
import type { BaseChain, Chain, Construct, Ruleset, Statement, Verdict } from "./statement.ts"

/** What an evaluation may cost, and what it met that it does not understand. */
export interface Evaluation {
  readonly ruleset: Ruleset
  /** By place and text, so that each is told once. */
  readonly constructs: Map<string, Construct>
  /** Steps that are left; below zero the evaluation has given up. */
  steps: number
}

/** The kernel allows no more chains within chains. */
const DEEPEST_JUMP = 16

interface Outcome {
  readonly accepted: Region[]
  /** Reached the chain's end, or a return. */
  readonly returned: Region[]
}

/** The regions that the base chain lets pass. */
export function passBaseChain(
  evaluation: Evaluation,
  base: BaseChain,
  regions: readonly Region[],
): readonly Region[] {
  const { accepted, returned } = walkChain({ evaluation, base }, base, regions, 0)
  return joinRegions(base.policy === "accept" ? [...accepted, ...returned] : accepted)
}

export function noteConstruct(evaluation: Evaluation, where: string, what: string): void {
  evaluation.constructs.set(`${where}\n${what}`, { where, what })
}

interface Walk {
  readonly evaluation: Evaluation
  readonly base: BaseChain
}

function walkChain(walk: Walk, chain: Chain, entering: readonly Region[], depth: number): Outcome {
  const outcome: Outcome = { accepted: [], returned: [] }
  let arriving = entering
  for (const rule of chain.rules) {
    if (arriving.length === 0) break
    const next: Region[] = []
    let going: readonly Region[] = arriving
    for (const statement of rule.statements) {
      if (!spend(walk, chain, going.length * costOf(statement))) return { accepted: [], returned: [] }
      if (statement.kind === "opaque" && going.length > 0) {
        noteConstruct(walk.evaluation, `${chain.name} rule ${rule.number}`, statement.what)
      }
      const stepping = going
      going = stepping.flatMap((region) => step({ walk, chain, depth, outcome, next }, statement, region))
      if (going.length === 0) break
    }
    arriving = joinRegions([...next, ...going])
  }
  append(outcome.returned, arriving)
  return outcome
}

/** Large sets cost more, so that a listing of a hostile author comes to an end as well. */
function costOf(statement: Statement): number {
  if (statement.kind === "match") return 1 + statement.any.length
  return statement.kind === "choose" || statement.kind === "translate" ? 1 + statement.arms.length : 1
}

/** False when the evaluation has cost too much; then it ends, and proves nothing. */
function spend({ evaluation }: Walk, chain: Chain, steps: number): boolean {
  evaluation.steps -= steps
  if (evaluation.steps >= 0) return true
  noteConstruct(evaluation, chain.name, "the ruleset is too large for the proof to be carried through")
  return false
}

interface Place {
  readonly walk: Walk
  readonly chain: Chain
  readonly depth: number
  readonly outcome: Outcome
  /** Goes on with the next rule. */
  readonly next: Region[]
}

/** What goes on with the rule's next statement; the rest goes where the place says. */
function step(place: Place, statement: Statement, region: Region): readonly Region[] {
  switch (statement.kind) {
    case "note":
      return [region]
    case "verdict":
      return follow(place, statement.verdict, [region])
    case "match":
      return match(place, statement, region)
    case "reject":
      append(place.next, splitRegion(region, statement.when).outside)
      return []
    case "choose": {
      const { arms } = statement
      const going = splitRegion(region, statement.must)
      append(place.next, going.outside)
      let rest = going.inside
      const chosen: Region[] = []
      for (const arm of arms) {
        if (!spend(place.walk, place.chain, rest.length)) return []
        const parts = rest.map((one) => splitRegion(one, arm.when))
        const inside = parts.flatMap((part) => part.inside)
        append(chosen, follow(place, arm.does, inside))
        rest = parts.flatMap((part) => part.outside)
      }
      append(place.next, rest)
      return chosen
    }
    case "write": {
      const { inside, outside } = splitRegion(region, statement.must)
      append(place.next, outside)
      const rerouted = place.walk.base.type === "route"
      return inside.map((one) => ({
        ...one,
        now: { ...one.now, ...statement.values },
        rerouted: one.rerouted || rerouted,
      }))
    }
    case "untrack":
      return untrack(region)
    case "translate":
      translate(place, statement, region)
      return []
    case "opaque": {
      const unsure = { ...region, sure: false }
      place.next.push(unsure)
      if (statement.mayAccept) place.outcome.accepted.push(unsure)
      return [unsure]
    }
    default:
      return statement satisfies never
  }
}

function match(
  place: Place,
  { must, any, inverted }: Statement & { kind: "match" },
  region: Region,
): readonly Region[] {
  const readable = splitRegion(region, must)
  append(place.next, readable.outside)
  const matched: Region[] = []
  let rest = readable.inside
  for (const box of any) {
    if (!spend(place.walk, place.chain, rest.length)) return []
    const parts = rest.map((one) => splitRegion(one, box))
    append(
      matched,
      parts.flatMap((part) => part.inside),
    )
    rest = parts.flatMap((part) => part.outside)
  }
  append(place.next, inverted ? matched : rest)
  return inverted ? rest : matched
}

/** `continue` goes on with what stands behind it in the same rule: to the kernel it is no verdict at all. */
function follow(place: Place, verdict: Verdict, regions: readonly Region[]): readonly Region[] {
  const { walk, chain, depth, outcome, next } = place
  if (regions.length === 0) return []
  switch (verdict.kind) {
    case "accept":
      append(outcome.accepted, regions)
      return []
    case "drop":
      return []
    case "return":
      append(outcome.returned, regions)
      return []
    case "continue":
      return regions
    case "jump":
    case "goto": {
      const target = walk.evaluation.ruleset.chains.get(targetName(chain, verdict.target))
      if (target === undefined || depth >= DEEPEST_JUMP) {
        const what = target ? "chains that call each other without end" : `no chain ${verdict.target}`
        noteConstruct(walk.evaluation, chain.name, what)
        return []
      }
      const inner = walkChain(walk, target, joinRegions(regions), depth + 1)
      append(outcome.accepted, inner.accepted)
      append(verdict.kind === "jump" ? next : outcome.returned, inner.returned)
      return []
    }
    default:
      return verdict satisfies never
  }
}

/** A jump stays in its table. */
function targetName(chain: Chain, target: string): string {
  return [...chain.name.split(" ").slice(0, 2), target].join(" ")
}

/** Takes the packet out of connection tracking, if that has not seen it yet. */
function untrack(region: Region): readonly Region[] {
  const { inside, outside } = splitRegion(region, { state: only(3n) })
  const untracked = { state: only(4n), direction: only(2n) }
  return [...inside.map((one) => ({ ...one, now: { ...one.now, ...untracked } })), ...outside]
}

function translate(place: Place, { arms, side }: Statement & { kind: "translate" }, region: Region): void {
  let rest: readonly Region[] = [region]
  const { hook } = place.walk.base
  for (const arm of arms) {
    if (!spend(place.walk, place.chain, rest.length)) return
    const parts = rest.map((one) => splitRegion(one, arm.when))
    rest = parts.flatMap((part) => part.outside)
    for (const one of parts.flatMap((part) => part.inside)) {
      const values = hook === "prerouting" ? anyOwnAddress(arm.does, one) : arm.does
      const rerouted = one.rerouted || (side === "destination" && hook === "output")
      place.outcome.accepted.push({ ...one, now: { ...one.now, ...values }, translated: true, rerouted })
    }
  }
  append(place.next, rest)
}

/** In prerouting a redirect goes to an address of the interface, which the ruleset does not name. */
function anyOwnAddress(values: PartialBox, region: Region): PartialBox {
  const loopback =
    values.destination?.length === 1 && [1n, 0x7f000001n].includes(values.destination[0]?.[0] ?? 0n)
  if (!loopback) return values
  return { ...values, destination: region.box.family[0]?.[0] === IPV4 ? ALL_V4 : ALL_V6 }
}

/** Thousands of regions are more than a call can have arguments. */
function append(regions: Region[], more: readonly Region[]): void {
  for (const region of more) regions.push(region)
}
