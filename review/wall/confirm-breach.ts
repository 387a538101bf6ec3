/** Tries a breach that the proof found with single packets: does each of their journeys break the promise? */

import { subtract } from "./interval.ts"
import type { Breach, Promised } from "./judge-passage.ts"
import { type Dimension, only, type PartialBox } from "./packet-space.ts"
import { likeness, pickPackets } from "./pick-packets.ts"
import type { WallPromise } from "./promise.ts"
import { type Journey, type Packet, runPacket } from "./run-packet.ts"
import type { Ruleset } from "./statement.ts"

export interface Witness {
  readonly promise: Promised
  readonly packet: Packet
  /** Rules by which it went its way. */
  readonly path: readonly string[]
  /** True when it goes this way whatever is not known; false when it only may. */
  readonly certain: boolean
}

const MOST_PACKETS = 120
const MOST_WITNESSES = 4

/** A few packets, each by another path; none when no packet tried bears the finding out. */
export function confirmBreach(
  ruleset: Ruleset,
  promised: WallPromise,
  { promise, regions }: Breach,
): readonly Witness[] {
  const byPath = new Map<string, Witness>()
  const packets = regions
    .flatMap(({ box }) => pickPackets(box))
    .toSorted((left, right) => likeness(right) - likeness(left))
  for (const packet of packets.slice(0, MOST_PACKETS)) {
    const witness = tryPacket(ruleset, promised, promise, packet)
    if (witness === null) continue
    const key = witness.path.join("\n")
    if (!byPath.has(key) || (witness.certain && !byPath.get(key)?.certain)) byPath.set(key, witness)
  }
  const found = [...byPath.values()].toSorted((left, right) => Number(right.certain) - Number(left.certain))
  const certain = found.filter((one) => one.certain)
  return (certain.length > 0 ? certain : found).slice(0, MOST_WITNESSES)
}

function tryPacket(
  ruleset: Ruleset,
  promised: WallPromise,
  promise: Promised,
  packet: Packet,
): Witness | null {
  const toward = { forwarded: "forward", arrives: "input", "cannot arrive": "input" } as const
  const { journeys, complete } = runPacket(
    ruleset,
    packet,
    promise in toward ? toward[promise as "arrives"] : null,
  )
  const breaking = journeys.filter((journey) => breaks(promised, promise, packet, journey))
  const [first] = breaking
  if (first === undefined) return null
  return { promise, packet, path: first.trace, certain: complete && breaking.length === journeys.length }
}

function breaks(promised: WallPromise, promise: Promised, packet: Packet, { end, values }: Journey): boolean {
  switch (promise) {
    case "leaves":
      return end === "leaves" && !promised.mayLeave.some((box) => fits(values, box))
    case "forwarded":
      return end === "forwarded"
    case "arrives":
      return end === "arrives" && !promised.mayArrive.some((box) => fits(onTheWire(packet, values), box))
    case "begun inside":
      return end === "inside" && fits(asSent(packet), promised.begunByCapture)
    case "diverted": {
      const turned =
        values.destination.join() !== only(packet.destination).join() ||
        values.dport.join() !== only(packet.dport).join()
      const allowed = promised.mayDivert.some(
        ({ sent, now }) => fits(asSent(packet), sent) && fits(values, now),
      )
      return (
        (end === "inside" || end === "leaves") &&
        turned &&
        !allowed &&
        fits(asSent(packet), promised.firstPacket)
      )
    }
    case "cannot leave":
      return end !== "leaves" || !promised.mayLeave.some((box) => fits(values, box))
    case "cannot arrive":
      return end !== "arrives"
    default:
      return promise satisfies never
  }
}

function asSent(packet: Packet): Journey["values"] {
  return Object.fromEntries(
    Object.entries(packet).map(([name, value]) => [name, only(value)]),
  ) as Journey["values"]
}

/** As it came, but with the state that connection tracking gave it. */
function onTheWire(packet: Packet, { state, direction }: Journey["values"]): Journey["values"] {
  return { ...asSent(packet), state, direction }
}

function fits(values: Journey["values"], box: PartialBox): boolean {
  return Object.entries(box).every(
    ([name, wanted]) => subtract(values[name as Dimension], wanted).length === 0,
  )
}
