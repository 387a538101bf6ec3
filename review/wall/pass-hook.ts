/** Sends regions through one hook: its chains in the kernel's order, connection tracking and translation between. */

import { type Evaluation, passBaseChain } from "./evaluate-chain.ts"
import { ALL_V4, ALL_V6, IPV4, IPV6, only, type PartialBox } from "./packet-space.ts"
import { type HookStep, planHook } from "./plan-hook.ts"
import { joinRegions, type Region, splitRegion } from "./region.ts"
import type { BaseChain, Hook } from "./statement.ts"

/** Before connection tracking has seen a packet, a rule reads this as its state. */
export const UNSEEN: PartialBox = { state: only(3n), direction: only(2n) }
const UNTRACKED = 4n
const PORTS = [[0n, 65_535n]] as const

/** `settled`: a packet on its second way through, over loopback, is tracked and translated already. */
export function passHook(
  evaluation: Evaluation,
  hook: Hook,
  regions: readonly Region[],
  settled = false,
): readonly Region[] {
  let passing = regions
  for (const step of planHook(evaluation.ruleset, hook)) {
    if (step.kind === "chain") passing = passFamily(evaluation, step.chain, passing)
    else if (!settled && step.kind === "track") passing = passing.map(track)
    else if (!settled && step.kind === "translate") passing = translate(evaluation, step, passing)
  }
  return passing
}

/** A chain sees packets of its family, and those of its interfaces if it is bound to some. */
function passFamily(evaluation: Evaluation, chain: BaseChain, regions: readonly Region[]): readonly Region[] {
  const parts = regions.map((region) => splitRegion(region, scopeOf(chain)))
  const passed = passBaseChain(
    evaluation,
    chain,
    parts.flatMap(({ inside }) => inside),
  )
  return joinRegions([...passed, ...parts.flatMap(({ outside }) => outside)])
}

export function scopeOf({ family, hook, devices }: BaseChain): PartialBox {
  const side = hook === "ingress" ? "iif" : "oif"
  const device =
    devices === null || (hook !== "ingress" && hook !== "egress") ? {} : { [side]: only(...devices) }
  if (family === "ip") return { family: only(IPV4), ...device }
  return family === "ip6" ? { family: only(IPV6), ...device } : device
}

function track(region: Region): Region {
  if (region.now.state?.[0]?.[0] === UNTRACKED) return region
  const { state: _state, direction: _direction, ...now } = region.now
  return { ...region, now }
}

function translate(
  evaluation: Evaluation,
  { side, chains }: HookStep & { kind: "translate" },
  regions: readonly Region[],
): readonly Region[] {
  // only the first packet of a connection is looked at; "related" is the first one of its own
  const first = regions.map((region) => splitRegion(region, { state: only(0n, 2n) }))
  let fresh: readonly Region[] = first.flatMap(({ inside }) => inside)
  const done: Region[] = []
  for (const chain of chains) {
    const passed = passFamily(evaluation, chain, fresh)
    for (const region of passed) if (region.translated) done.push(region)
    fresh = passed.filter((region) => !region.translated)
  }
  const later = first.flatMap(({ outside }) => outside)
  const remembered = later.flatMap((region) => [
    ...done.flatMap((example) => asTranslatedBefore(region, example, side)),
    ...answersTranslatedBack(evaluation, region, side),
  ])
  return joinRegions(
    [...done, ...fresh, ...later, ...remembered].map((one) => ({ ...one, translated: false })),
  )
}

/** Later packets of a connection are treated as the first one was, whoever sends them. */
function asTranslatedBefore(region: Region, example: Region, side: "source" | "destination"): Region[] {
  const { family, protocol, source, destination, sport, dport } = example.box
  const tuple = { family, protocol, source, destination, sport, dport }
  const { inside } = splitRegion(region, { state: only(1n), direction: only(0n), ...tuple })
  const port = side === "source" ? "sport" : "dport"
  const values: PartialBox = {
    ...(example.now[side] && { [side]: example.now[side] }),
    ...(example.now[port] && { [port]: example.now[port] }),
  }
  const rerouted = (one: Region) => one.rerouted || example.rerouted
  return inside.map((one) => ({
    ...one,
    now: { ...one.now, ...values },
    rerouted: rerouted(one),
    sure: false,
  }))
}

/** An answer gets back what translation took at the connection's other end: any address, as far as one knows. */
function answersTranslatedBack(
  evaluation: Evaluation,
  region: Region,
  side: "source" | "destination",
): Region[] {
  const other = side === "source" ? "destination" : "source"
  const statements = [...evaluation.ruleset.chains.values()]
    .flatMap(({ rules }) => rules)
    .flatMap((rule) => rule.statements)
  if (!statements.some((one) => one.kind === "translate" && one.side === other)) return []
  const port = side === "source" ? "sport" : "dport"
  return [[IPV4, ALL_V4] as const, [IPV6, ALL_V6] as const].flatMap(([family, everywhere]) => {
    const answer = { family: only(family), state: only(1n), direction: only(1n) }
    const values = { [side]: everywhere, [port]: PORTS }
    return splitRegion(region, answer).inside.map((one) => {
      return { ...one, now: { ...one.now, ...values }, sure: false }
    })
  })
}
