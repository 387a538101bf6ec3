/** What nat statements put in place of addresses and ports. */

import type { IntervalSet } from "./interval.ts"
import { ALL_V4, ALL_V6, IPV4, IPV6, only, type PartialBox } from "./packet-space.ts"
import { parseValues } from "./parse-values.ts"
import { meet, type RuleContext, readLookup } from "./read-condition.ts"
import type { Arm, Statement } from "./statement.ts"

/** What it may say without a meaning for where the packet goes. */
const KEYS = ["family", "addr", "port", "flags", "type_flags"]
const PORTS: IntervalSet = [[0n, 65_535n]]

/** Null when something in it is not understood. */
export function readTranslation(kind: string, asked: unknown, context: RuleContext): Statement | null {
  const { family, addr, port, ...more } = Object(asked ?? {}) as Readonly<Record<string, unknown>>
  if (Object.keys(more).some((key) => !KEYS.includes(key))) return null
  const side = kind === "snat" || kind === "masquerade" ? "source" : "destination"
  const families = (["ip", "ip6"] as const).filter((one) => {
    return (family ?? one) === one && (context.family === "inet" || context.family === one)
  })
  const arms: Arm<PartialBox>[] = []
  for (const one of families) {
    const addresses = readAddresses(kind, addr, one, context)
    const ports = readPart(port, side === "source" ? "sport" : "dport", "number", context)
    if (addresses === null || ports === null) return null
    for (const address of addresses) {
      for (const number of ports) {
        const when = meet({ family: only(one === "ip" ? IPV4 : IPV6) }, meet(address.when, number.when))
        arms.push({ when, does: { ...address.does, ...number.does } })
      }
    }
  }
  return { kind: "translate", side, arms }
}

function readAddresses(kind: string, addr: unknown, family: "ip" | "ip6", context: RuleContext) {
  const everywhere = family === "ip" ? ALL_V4 : ALL_V6
  // what stands for "this machine" in the output hook; prerouting takes an address of the interface
  if (kind === "redirect") return whole({ destination: only(family === "ip" ? 0x7f000001n : 1n) })
  // whatever address the interface has, and a port that is free
  if (kind === "masquerade") return whole({ source: everywhere, sport: PORTS })
  if (kind === "dnat") return readPart(addr, "destination", family === "ip" ? "ipv4" : "ipv6", context)
  const sources = readPart(addr, "source", family === "ip" ? "ipv4" : "ipv6", context)
  return sources?.map(({ when, does }) => ({ when, does: { sport: PORTS, ...does } })) ?? null
}

/** A constant is one arm; a map is an arm for each of its elements. */
function readPart(
  value: unknown,
  dimension: "source" | "destination" | "sport" | "dport",
  kind: "ipv4" | "ipv6" | "number",
  context: RuleContext,
): Arm<PartialBox>[] | null {
  if (value === undefined) return whole({})
  const map = Object(value)["map"] as { key?: unknown; data?: unknown } | undefined
  if (map === undefined) {
    const values = parseValues(value, { kind })
    return values && whole({ [dimension]: values })
  }
  const lookup = readLookup(map.key, map.data, context)
  const arms = lookup?.elements.map(({ when, data }) => {
    const does = readData(data, dimension, kind)
    return does && { when: meet(lookup.must, when), does }
  })
  const known = arms?.filter((arm) => arm !== null)
  return known === undefined || known.length < (arms?.length ?? 0) ? null : known
}

/** An address, a port, or both as a concatenation. */
function readData(data: unknown, dimension: string, kind: "ipv4" | "ipv6" | "number"): PartialBox | null {
  const parts = Object(data)["concat"] as unknown
  if (!Array.isArray(parts)) {
    const values = parseValues(data, { kind })
    return values && { [dimension]: values }
  }
  const [address, port] = [parseValues(parts[0], { kind }), parseValues(parts[1], { kind: "number" })]
  const portOf = dimension === "source" ? "sport" : "dport"
  return parts.length === 2 && address && port ? { [dimension]: address, [portOf]: port } : null
}

function whole(does: PartialBox): Arm<PartialBox>[] {
  return [{ when: {}, does }]
}
