/** Takes one packet all its way, in every way it may go: what a finding of the proof is checked against. */

import {
  ALL_OWNERS,
  ALL_V4,
  ALL_V6,
  DIMENSIONS,
  type Dimension,
  IPV6,
  LOOPBACK,
  NO_INTERFACE,
  NO_OWNER,
  only,
} from "./packet-space.ts"
import { scopeOf, UNSEEN } from "./pass-hook.ts"
import { type HookStep, planHook } from "./plan-hook.ts"
import { liesIn, runBaseChain, type Traveller } from "./run-chain.ts"
import type { Hook, Ruleset } from "./statement.ts"

/** One value a dimension. */
export type Packet = Readonly<Record<Dimension, bigint>>

export interface Journey {
  readonly end: "leaves" | "inside" | "arrives" | "forwarded" | "dropped"
  readonly values: Traveller["values"]
  readonly trace: readonly string[]
}

const MOST_JOURNEYS = 128
const MOST_RULES = 20_000

/**
 * Every journey that the packet may make: one, unless something on it is not known. `toward` is where a packet that
 * came in by an interface is for; null for one that a program of the guest sends.
 */
export function runPacket(
  ruleset: Ruleset,
  packet: Packet,
  toward: "input" | "forward" | null,
): { readonly journeys: readonly Journey[]; readonly complete: boolean } {
  const journeys: Journey[] = []
  let cutShort = false
  let script: readonly boolean[] | null = []
  while (script !== null && journeys.length < MOST_JOURNEYS) {
    const made: boolean[] = []
    const given: readonly boolean[] = script
    const choose = () => {
      made.push(given[made.length] ?? false)
      return made.at(-1) ?? false
    }
    const traveller = setOut(ruleset, packet, choose)
    journeys.push(travel(traveller, toward))
    cutShort ||= traveller.rulesLeft < 0
    script = nextScript(made)
  }
  return { journeys, complete: script === null && !cutShort }
}

/** Counts up: the last answer that was no becomes yes. */
function nextScript(made: readonly boolean[]): boolean[] | null {
  const last = made.lastIndexOf(false)
  return last < 0 ? null : [...made.slice(0, last), true]
}

function setOut(ruleset: Ruleset, packet: Packet, choose: () => boolean): Traveller {
  const values = Object.fromEntries(
    DIMENSIONS.map((name) => [name, only(packet[name])]),
  ) as Traveller["values"]
  const tracked = { state: values.state, direction: values.direction }
  Object.assign(values, UNSEEN)
  const fresh = { translated: false, rerouted: false, rulesLeft: MOST_RULES }
  return { ruleset, values, tracked, choose, trace: [], ...fresh }
}

function travel(traveller: Traveller, toward: "input" | "forward" | null): Journey {
  const end = toward === null ? send(traveller) : receive(traveller, toward)
  return { end, values: traveller.values, trace: traveller.trace }
}

function send(traveller: Traveller): Journey["end"] {
  const { values } = traveller
  if (!pass(traveller, "output")) return "dropped"
  if (traveller.rerouted) routeAgain(traveller)
  if (!pass(traveller, "postrouting") || !pass(traveller, "egress")) return "dropped"
  if (!liesIn(traveller, { oif: only(LOOPBACK) })) return "leaves"
  const back = { iif: only(LOOPBACK), oif: only(NO_INTERFACE), uid: only(NO_OWNER), gid: only(NO_OWNER) }
  Object.assign(values, back)
  if (!pass(traveller, "ingress", true) || !pass(traveller, "prerouting", true)) return "dropped"
  Object.assign(values, { uid: ALL_OWNERS, gid: ALL_OWNERS })
  return pass(traveller, "input", true) ? "inside" : "dropped"
}

function routeAgain(traveller: Traveller): void {
  if (liesIn(traveller, { bound: only(1n) })) return
  const v6 = traveller.values.family[0]?.[0] === IPV6
  const own = v6 ? only(1n) : ([[0x7f000000n, 0x7fffffffn]] as const)
  const others = [[LOOPBACK, BigInt(traveller.ruleset.interfaces.length - 1)]] as const
  traveller.values.oif = liesIn(traveller, { destination: own }) ? only(LOOPBACK) : others
}

function receive(traveller: Traveller, toward: "input" | "forward"): Journey["end"] {
  const { values } = traveller
  const { oif, uid, gid } = values
  Object.assign(values, { oif: only(NO_INTERFACE), uid: only(NO_OWNER), gid: only(NO_OWNER) })
  if (!pass(traveller, "ingress") || !pass(traveller, "prerouting")) return "dropped"
  if (toward === "forward") {
    values.oif = oif
    return pass(traveller, "forward") ? "forwarded" : "dropped"
  }
  Object.assign(values, { uid, gid })
  return pass(traveller, "input") ? "arrives" : "dropped"
}

/** False when it is dropped. */
function pass(traveller: Traveller, hook: Hook, settled = false): boolean {
  for (const step of planHook(traveller.ruleset, hook)) {
    if (step.kind === "chain") {
      if (liesIn(traveller, scopeOf(step.chain)) && runBaseChain(traveller, step.chain) === "drop")
        return false
    } else if (settled) continue
    else if (step.kind === "track") {
      if (!liesIn(traveller, { state: only(4n) })) Object.assign(traveller.values, traveller.tracked)
    } else if (!translate(traveller, step)) return false
  }
  return true
}

function translate(traveller: Traveller, { side, chains }: HookStep & { kind: "translate" }): boolean {
  if (!liesIn(traveller, { state: only(0n, 2n) })) {
    if (!liesIn(traveller, { state: only(1n) })) return true
    return liesIn(traveller, { direction: only(0n) })
      ? recall(traveller, side, chains)
      : answer(traveller, side)
  }
  for (const chain of chains) {
    if (!liesIn(traveller, scopeOf(chain))) continue
    if (runBaseChain(traveller, chain) === "drop") return false
    if (traveller.translated) break
  }
  traveller.translated = false
  return true
}

/** A later packet of a connection: as the first one was treated, whoever sent that one by whichever interface. */
function recall(
  traveller: Traveller,
  side: "source" | "destination",
  chains: (HookStep & { kind: "translate" })["chains"],
): boolean {
  if (chains.length === 0 || !traveller.choose()) return true
  const { values, ruleset } = traveller
  const anyone = {
    uid: ALL_OWNERS,
    gid: ALL_OWNERS,
    mark: ALL_V4,
    oif: anyDevice(ruleset),
    iif: anyDevice(ruleset),
  }
  const first: Traveller = { ...traveller, values: { ...values, ...anyone, state: only(0n) }, trace: [] }
  for (const chain of chains) {
    if (!liesIn(first, scopeOf(chain))) continue
    if (runBaseChain(first, chain) === "drop") return true
    if (first.translated) break
  }
  const port = side === "source" ? "sport" : "dport"
  Object.assign(values, { [side]: first.values[side], [port]: first.values[port] })
  traveller.rerouted ||= first.rerouted
  return true
}

function anyDevice(ruleset: Ruleset) {
  return [[NO_INTERFACE, BigInt(ruleset.interfaces.length - 1)]] as const
}

/** An answer may be translated back to any address, where something translates the other end. */
function answer(traveller: Traveller, side: "source" | "destination"): boolean {
  const statements = [...traveller.ruleset.chains.values()]
    .flatMap(({ rules }) => rules)
    .flatMap((rule) => rule.statements)
  const translates = statements.some((one) => one.kind === "translate" && one.side !== side)
  if (!translates || !traveller.choose()) return true
  const v6 = traveller.values.family[0]?.[0] === IPV6
  const port = side === "source" ? "sport" : "dport"
  Object.assign(traveller.values, { [side]: v6 ? ALL_V6 : ALL_V4, [port]: [[0n, 65_535n]] })
  return true
}
