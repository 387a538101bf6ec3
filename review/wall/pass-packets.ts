/** Takes every packet there can be through every hook: what leaves, what arrives, what is forwarded. */

import type { Evaluation } from "./evaluate-chain.ts"
import {
  ALL_OWNERS,
  everyPacket,
  IPV4,
  IPV6,
  LOOPBACK,
  NO_INTERFACE,
  NO_OWNER,
  only,
  type PartialBox,
} from "./packet-space.ts"
import { passHook, UNSEEN } from "./pass-hook.ts"
import { joinRegions, type Region, splitRegion } from "./region.ts"

export interface Passage {
  /** What programs of the guest send, and what goes out by an interface other than lo. */
  readonly leaving: readonly Region[]
  /** What programs of the guest send to each other, and what arrives. */
  readonly inside: readonly Region[]
  /** What comes in by an interface other than lo, and is taken. */
  readonly arriving: readonly Region[]
  /** What comes in by any interface, and passes the forward hook. */
  readonly forwarded: readonly Region[]
}

const LOOPBACK_V4 = [[0x7f000000n, 0x7fffffffn]] as const

export function passPackets(evaluation: Evaluation): Passage {
  return { ...passSent(evaluation), ...passReceived(evaluation) }
}

function passSent(evaluation: Evaluation): Pick<Passage, "leaving" | "inside"> {
  const devices = allDevices(evaluation)
  const sent = start(only(NO_INTERFACE), devices, UNSEEN)
  const routed = passHook(evaluation, "output", sent).flatMap((region) => routeAgain(region, devices))
  const posted = passHook(evaluation, "postrouting", joinRegions(routed))
  const out = passHook(evaluation, "egress", posted)
  const parts = out.map((region) => splitRegion(region, { oif: only(LOOPBACK) }))
  return {
    leaving: joinRegions(parts.flatMap(({ outside }) => outside)),
    inside: loopBack(
      evaluation,
      parts.flatMap(({ inside }) => inside),
    ),
  }
}

/** Where a packet goes after its address was changed: a bound socket keeps its interface, 127.0.0.1 or not. */
function routeAgain(region: Region, devices: PartialBox["oif"] & {}): readonly Region[] {
  if (!region.rerouted) return [region]
  const bound = splitRegion(region, { bound: only(1n) })
  const parts = bound.outside
    .map((one) => splitRegion(one, { family: only(IPV4), destination: LOOPBACK_V4 }))
    .map(({ inside, outside }) => {
      const v6 = outside.map((one) => splitRegion(one, { family: only(IPV6), destination: only(1n) }))
      return {
        loopback: [...inside, ...v6.flatMap((one) => one.inside)],
        elsewhere: v6.flatMap((one) => one.outside),
      }
    })
  const to = (oif: PartialBox["oif"] & {}, sure: boolean) => (one: Region) => {
    return { ...one, now: { ...one.now, oif }, sure: one.sure && sure }
  }
  return [
    ...bound.inside,
    ...parts.flatMap(({ loopback }) => loopback).map(to(only(LOOPBACK), true)),
    ...parts.flatMap(({ elsewhere }) => elsewhere).map(to(devices, false)),
  ].map((one) => ({ ...one, rerouted: false }))
}

/** The second way of a packet that goes by lo: in by prerouting, to a socket that may be anybody's. */
function loopBack(evaluation: Evaluation, regions: readonly Region[]): readonly Region[] {
  const back = { iif: only(LOOPBACK), oif: only(NO_INTERFACE) }
  const came = regions.map((one) => ({ ...one, now: { ...one.now, ...back, ...owner(only(NO_OWNER)) } }))
  const ingress = passHook(evaluation, "ingress", came, true)
  const routed = passHook(evaluation, "prerouting", ingress, true)
  const delivered = routed.map((one) => ({ ...one, now: { ...one.now, ...owner(ALL_OWNERS) } }))
  return passHook(evaluation, "input", delivered, true)
}

function passReceived(evaluation: Evaluation): Pick<Passage, "arriving" | "forwarded"> {
  const devices = allDevices(evaluation)
  const none = { oif: only(NO_INTERFACE), ...owner(only(NO_OWNER)) }
  const came = start(devices, devices, { ...UNSEEN, ...none })
  const ingress = passHook(evaluation, "ingress", came)
  const routed = passHook(evaluation, "prerouting", ingress)
  const fromWire = routed.flatMap((one) => splitRegion(one, { iif: only(LOOPBACK) }).outside)
  const delivered = fromWire.map(({ now: { uid: _uid, gid: _gid, ...now }, ...one }) => ({ ...one, now }))
  const passing = routed.map(({ now: { oif: _oif, ...now }, ...one }) => ({ ...one, now }))
  return {
    arriving: passHook(evaluation, "input", delivered),
    forwarded: passHook(evaluation, "forward", passing),
  }
}

function start(iif: PartialBox["iif"] & {}, oif: PartialBox["oif"] & {}, now: PartialBox): Region[] {
  return everyPacket(iif, oif).map((box) => ({ box, now, translated: false, rerouted: false, sure: true }))
}

function allDevices({ ruleset }: Evaluation) {
  return [[LOOPBACK, BigInt(ruleset.interfaces.length - 1)]] as const
}

function owner(uid: PartialBox["uid"] & {}): PartialBox {
  return { uid, gid: uid }
}
