/** Picks packets out of a region that a reader can imagine: well-known ports and addresses, where it has them. */

import { CAPTURE_PORTS, GATEWAY, GUEST_USERS } from "../../contract/wire.ts"
import { type Box, DIMENSIONS, type Dimension, IPV6, NO_OWNER } from "./packet-space.ts"
import { parseValues } from "./parse-values.ts"
import type { Packet } from "./run-packet.ts"

const gateway = ipv4(GATEWAY.address)
const guest = ipv4(GATEWAY.guestAddress)
const users = [GUEST_USERS.agent.uid, GUEST_USERS.root.uid, GUEST_USERS.capture.uid].map(BigInt)
const ports = [443, 53, 22, GATEWAY.port, 80, CAPTURE_PORTS.http, 8080].map(BigInt)

const PREFERRED: Readonly<Record<Dimension, readonly bigint[]>> = {
  family: [4n, 6n],
  protocol: [6n, 17n, 1n, 58n],
  source: [guest, gateway],
  destination: [ipv4("93.184.216.34"), gateway, guest, ipv4("127.0.0.1")],
  sport: [40_000n, BigInt(GATEWAY.port)],
  dport: ports,
  uid: [...users, NO_OWNER],
  gid: [...users, NO_OWNER],
  iif: [2n, 1n],
  oif: [2n, 1n],
  state: [0n, 1n],
  direction: [0n, 1n],
  mark: [0n],
  bound: [0n, 1n],
}

const PREFERRED_V6: Readonly<Partial<Record<Dimension, readonly bigint[]>>> = {
  source: [ipv6("fd00::15")],
  destination: [ipv6("2606:2800:21f:cb07::1"), 1n],
}

/** The likeliest packet of the box, and some others in case that one goes another way. */
export function pickPackets(box: Box): readonly Packet[] {
  const picks = [pick(box, 0), pick(box, 1), pick({ ...box, bound: box.bound.slice(-1) }, 0, 1n)]
  const seen = new Set<string>()
  return picks.filter((packet) => {
    const key = DIMENSIONS.map((name) => packet[name]).join(" ")
    return !seen.has(key) && seen.add(key)
  })
}

function pick(box: Box, skip: number, bound?: bigint): Packet {
  const chosen = DIMENSIONS.map((name) => {
    const liked = preferredOf(box, name).filter((value) => has(box, name, value))
    const value = liked[Math.min(skip, liked.length - 1)] ?? box[name][0]?.[0] ?? 0n
    return [name, name === "bound" && bound !== undefined && has(box, name, bound) ? bound : value]
  })
  return Object.fromEntries(chosen) as Packet
}

/** How much it is like what a reader would try first. */
export function likeness(packet: Packet): number {
  return DIMENSIONS.filter((name) => PREFERRED[name][0] === packet[name]).length
}

function preferredOf(box: Box, name: Dimension): readonly bigint[] {
  return (box.family[0]?.[0] === IPV6 ? PREFERRED_V6[name] : undefined) ?? PREFERRED[name]
}

function has(box: Box, name: Dimension, value: bigint): boolean {
  return box[name].some(([low, high]) => low <= value && value <= high)
}

function ipv6(text: string): bigint {
  return parseValues(text, { kind: "ipv6" })?.[0]?.[0] ?? 0n
}

function ipv4(text: string): bigint {
  return parseValues(text, { kind: "ipv4" })?.[0]?.[0] ?? 0n
}
