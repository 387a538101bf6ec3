/** The spine of the proof: from what the kernel has loaded to what can leave, and whether that is what was promised. */

import type { SiteWall } from "../contract/site.ts"
import { compileRuleset } from "./wall/compile-ruleset.ts"
import { confirmBreach, type Witness } from "./wall/confirm-breach.ts"
import { describeBox, describePacket } from "./wall/describe-packet.ts"
import { type Evaluation, noteConstruct } from "./wall/evaluate-chain.ts"
import { judgePassage, type Promised } from "./wall/judge-passage.ts"
import { parseListing } from "./wall/parse-listing.ts"
import { passPackets } from "./wall/pass-packets.ts"
import { findUnordered, planHook } from "./wall/plan-hook.ts"
import { promiseOf } from "./wall/promise.ts"
import { joinRegions } from "./wall/region.ts"
import { type BaseChain, type Construct, HOOKS } from "./wall/statement.ts"

export interface WallBreach {
  readonly promise: Promised
  /** What is wrong, as a sentence. */
  readonly claim: string
  /** A packet that shows it, in words. */
  readonly packet: string
  /** Rules by which it went its way. */
  readonly path: readonly string[]
}

export interface WallProof {
  readonly verdict: "proven" | "broken" | "not proven"
  readonly breaches: readonly WallBreach[]
  /** What stands between the ruleset and a proof. */
  readonly notProven: readonly Construct[]
  /** What leaves by an interface other than lo, in words. */
  readonly leaves: readonly string[]
  /** Each hook with its base chains in the order in which packets meet them. */
  readonly hooks: readonly { readonly hook: string; readonly chains: readonly string[] }[]
  /** Into how many regions the rules cut the space of packets at the last hooks. */
  readonly regions: number
}

/** Rule visits, each with one region; what needs more is not proven. The real wall needs about a thousand. */
const MOST_STEPS = 200_000
const CLAIMS: Readonly<Record<Promised, string>> = {
  leaves: "this packet leaves, and is not the capture proxy's to the gateway, nor another that is promised",
  forwarded: "this packet passes the forward hook, and nothing may be forwarded",
  arrives:
    "this packet is taken from the wire, and is not the gateway's answer, nor another that is promised",
  "begun inside": "the capture proxy can begin this inside of the guest",
  diverted: "this packet is turned elsewhere than to the capture proxy's port",
  "cannot leave": "too strict: this packet of the capture proxy to the gateway does not leave",
  "cannot arrive": "too strict: this answer of the gateway does not arrive",
}

/** Of a listing as `nft -j list ruleset` prints it; `site`: of an image for a cloud. Fault: `review/bad-ruleset`. */
export function proveWall(listing: unknown, site: SiteWall | null = null): WallProof {
  const promised = promiseOf(site)
  const ruleset = compileRuleset(parseListing(listing))
  const evaluation: Evaluation = { ruleset, constructs: new Map(), steps: MOST_STEPS }
  for (const { where, what } of [...ruleset.constructs, ...findUnordered(ruleset)]) {
    noteConstruct(evaluation, where, what)
  }
  const passage = passPackets(evaluation)
  const judged = judgePassage(passage, promised, ruleset.interfaces.length)
  const witnesses = judged.flatMap((breach) => {
    const found = confirmBreach(ruleset, promised, breach)
    if (!found.some(({ certain }) => certain))
      noteConstruct(evaluation, ...possible(breach.promise, found, ruleset.interfaces))
    return found.filter(({ certain }) => certain)
  })
  const notProven = [...evaluation.constructs.values()]
  return {
    verdict: witnesses.length > 0 ? "broken" : notProven.length > 0 ? "not proven" : "proven",
    breaches: witnesses.map((witness) => toBreach(witness, ruleset.interfaces)),
    notProven,
    leaves: describeLeaving(passage.leaving, ruleset.interfaces),
    hooks: HOOKS.map((hook) => ({ hook, chains: planHook(ruleset, hook).flatMap(describeStep) })),
    regions: Object.values(passage).reduce((sum, regions) => sum + regions.length, 0),
  }
}

/** A breach that depends on what is not understood; or one that no single packet bears out, which would be our mistake. */
function possible(
  promise: Promised,
  [first]: readonly Witness[],
  interfaces: readonly string[],
): [where: string, what: string] {
  if (first === undefined) return [promise, "the two evaluators do not agree"]
  const path = first.path.length === 0 ? "no rule" : first.path.join("; ")
  return [path, `it may be that ${CLAIMS[promise]}: ${describePacket(first.packet, interfaces)}`]
}

function toBreach({ promise, packet, path }: Witness, interfaces: readonly string[]): WallBreach {
  const way = path.length > 0 ? path : ["no chain stands in its way"]
  return { promise, claim: CLAIMS[promise], packet: describePacket(packet, interfaces), path: way }
}

/** Without what the promise says nothing of: where it comes from, and which side of the connection it is on. */
function describeLeaving(
  leaving: ReturnType<typeof passPackets>["leaving"],
  interfaces: readonly string[],
): readonly string[] {
  const asSeen = leaving.map(({ box, now, ...rest }) => {
    const { source, sport } = box
    return {
      ...rest,
      box: { ...box, ...now, source, sport, direction: [[0n, 2n]] as const },
      now: {},
      sure: true,
    }
  })
  return joinRegions(joinRegions(asSeen)).map(({ box }) => describeBox(box, interfaces))
}

function describeStep(step: ReturnType<typeof planHook>[number]): readonly string[] {
  if (step.kind === "track") return ["(connection tracking)"]
  const describe = ({ name, type, priority, policy, devices }: BaseChain) => {
    const on = devices === null ? "" : `, on ${devices.length} interfaces`
    return `${name} (${type}, priority ${priority}, policy ${policy}${on})`
  }
  return step.kind === "chain" ? [describe(step.chain)] : step.chains.map(describe)
}
