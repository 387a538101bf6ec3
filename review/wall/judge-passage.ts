/** Compares what passes with what is promised: for each promise the regions that break it. */

import { everyPacket, only, type PartialBox } from "./packet-space.ts"
import type { Passage } from "./pass-packets.ts"
import type { WallPromise } from "./promise.ts"
import { joinRegions, type Region, splitRegion } from "./region.ts"

export type Promised =
  | "leaves"
  | "forwarded"
  | "arrives"
  | "begun inside"
  | "diverted"
  | "cannot leave"
  | "cannot arrive"

export interface Breach {
  readonly promise: Promised
  readonly regions: readonly Region[]
}

/** What may be different of a packet that is let through as promised. */
const HARMLESS = ["mark", "oif"]

export function judgePassage(passage: Passage, promise: WallPromise, interfaces: number): readonly Breach[] {
  const { leaving, inside, arriving, forwarded } = passage
  const devices = [[1n, BigInt(interfaces - 1)]] as const
  const cannotLeave = missing(promise.mustLeave, leaving, only(0n), devices)
  const breaches: readonly Breach[] = [
    { promise: "leaves", regions: without(leaving, promise.mayLeave) },
    { promise: "forwarded", regions: forwarded },
    { promise: "arrives", regions: without(arriving.map(asOnTheWire), promise.mayArrive) },
    {
      promise: "begun inside",
      regions: inside.flatMap((one) => within(sentAs(one), promise.begunByCapture)),
    },
    { promise: "diverted", regions: [...leaving, ...inside].flatMap((one) => diverted(one, promise)) },
    { promise: "cannot leave", regions: cannotLeave },
    { promise: "cannot arrive", regions: missing(promise.mustArrive, arriving, devices, devices) },
  ]
  return breaches.filter(({ regions }) => regions.length > 0)
}

function without(regions: readonly Region[], boxes: readonly PartialBox[]): readonly Region[] {
  return boxes.reduce(
    (rest: readonly Region[], box) => rest.flatMap((one) => splitRegion(one, box).outside),
    regions,
  )
}

function within(region: Region, box: PartialBox): readonly Region[] {
  return splitRegion(region, box).inside
}

/** The packets as their sender made them; what became of them is set aside. */
function sentAs(region: Region): Region {
  return { ...region, now: {} }
}

/** Before the guest changed anything of it; whether it is tracked is the guest's doing. */
function asOnTheWire(region: Region): Region {
  const { state, direction } = region.now
  return { ...region, now: { ...(state && { state }), ...(direction && { direction }) } }
}

/** First packets that were turned elsewhere than to the capture proxy's own ports. */
function diverted(region: Region, promise: WallPromise): readonly Region[] {
  const { destination, dport } = region.now
  if (destination === undefined && dport === undefined) return []
  const first = within(sentAs(region), promise.firstPacket).map((one) => ({ ...one, now: region.now }))
  return promise.mayDivert.reduce((rest: readonly Region[], { sent, now }) => {
    return rest.flatMap((one) => {
      const { outside } = splitRegion(sentAs(one), sent)
      const left = outside.map((other) => ({ ...other, now: one.now }))
      const elsewhere = within(sentAs(one), sent)
        .map((other) => ({ ...other, now: one.now }))
        .flatMap((other) => splitRegion(other, now).outside)
      return [...left, ...elsewhere]
    })
  }, first)
}

/** What of the promised packets does not surely get through as it was sent. */
function missing(
  promised: readonly PartialBox[],
  passing: readonly Region[],
  iif: Parameters<typeof everyPacket>[0],
  oif: Parameters<typeof everyPacket>[1],
): readonly Region[] {
  const whole = everyPacket(iif, oif).map((box) => {
    return { box, now: {}, translated: false, rerouted: false, sure: true }
  })
  const surely = passing.filter((one) => {
    return one.sure && Object.keys(one.now).every((dimension) => HARMLESS.includes(dimension))
  })
  const wanted = promised.flatMap((box) => whole.flatMap((region) => within(region, box)))
  return joinRegions(
    without(
      wanted,
      surely.map(({ box }) => box),
    ),
  )
}
