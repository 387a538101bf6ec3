/** A packet, or a set of them, in words. */

import type { IntervalSet } from "./interval.ts"
import {
  type Box,
  DIRECTIONS,
  type Dimension,
  IPV6,
  NO_OWNER,
  NO_PORT,
  NO_PROTOCOL,
  only,
  STATES,
} from "./packet-space.ts"
import type { Packet } from "./run-packet.ts"

const PROTOCOLS: Readonly<Record<string, string>> = {
  1: "ICMP",
  6: "TCP",
  17: "UDP",
  47: "GRE",
  58: "ICMPv6",
}
/** The whole of a dimension is not worth a word. */
const WHOLE: Readonly<Partial<Record<Dimension, string>>> = {
  protocol: "0-255",
  sport: "0-65536",
  dport: "0-65536",
  uid: "0-4294967296",
  gid: "0-4294967295",
  state: "0-4",
  direction: "0-2",
  mark: "0-4294967295",
  bound: "0-1",
}

/** A sentence with every field that matters, in the order in which one would make the packet. */
export function describePacket(packet: Packet, interfaces: readonly string[]): string {
  return describeBox(
    Object.fromEntries(Object.entries(packet).map(([name, value]) => [name, only(value)])) as Box,
    interfaces,
  )
}

export function describeBox(box: Box, interfaces: readonly string[]): string {
  const v6 = box.family[0]?.[0] === IPV6
  const family = box.family.length > 1 ? "IPv4 and IPv6" : v6 ? "IPv6" : "IPv4"
  const name = (dimension: Dimension, render: (value: bigint) => string) => {
    return whole(box[dimension], dimension) ? null : list(box[dimension], render)
  }
  const protocol = name("protocol", (value) => {
    return value === NO_PROTOCOL
      ? "with a broken chain of headers"
      : (PROTOCOLS[`${value}`] ?? `protocol ${value}`)
  })
  const end = (address: "source" | "destination", port: "sport" | "dport") => {
    const host = describeAddresses(box[address], v6)
    const number = name(port, (value) => (value === NO_PORT ? "none (a later fragment)" : `${value}`))
    return number === null ? host : `${host ?? "any address"} port ${number}`
  }
  const [source, destination] = [end("source", "sport"), end("destination", "dport")]
  const owner = (value: bigint) => (value === NO_OWNER ? "nobody (the socket has no owner)" : `${value}`)
  const [uid, gid] = [name("uid", owner), name("gid", owner)]
  const device = (value: bigint) => interfaceName(interfaces[Number(value)] ?? "")
  const state = name("state", (value) => STATES[Number(value)] ?? "")
  const direction = name("direction", (value) => DIRECTIONS[Number(value)] ?? "")
  return [
    `${family} ${protocol ?? "of any protocol"}`,
    source && `from ${source}`,
    destination && `to ${destination}`,
    uid && `by uid ${uid}`,
    gid && uid && gid !== uid && `gid ${gid}`,
    present(box.iif) && `in by ${list(box.iif, device)}`,
    present(box.oif) && `out by ${list(box.oif, device)}`,
    box.bound.join() === "1,1" && "from a socket bound to that interface",
    state && `connection ${state}`,
    direction && direction !== "none" && `in the ${direction} direction`,
    name("mark", String) !== null && box.mark.join() !== "0,0" && `mark ${name("mark", String)}`,
  ]
    .filter((part) => part)
    .join(", ")
}

function present(set: IntervalSet): boolean {
  return set.join() !== "0,0" && set.length > 0
}

function whole(set: IntervalSet, dimension: Dimension): boolean {
  return set.length === 1 && set[0]?.join("-") === WHOLE[dimension]
}

function list(set: IntervalSet, render: (value: bigint) => string): string {
  const named = set.flatMap(([low, high]) => {
    if (high - low <= 3n)
      return Array.from({ length: Number(high - low) + 1 }, (_, index) => render(low + BigInt(index)))
    return [`${render(low)} to ${render(high)}`]
  })
  return named.length <= 6
    ? named.join(" or ")
    : `${named.slice(0, 5).join(" or ")} or ${named.length - 5} more`
}

/** Null for every address. */
function describeAddresses(set: IntervalSet, v6: boolean): string | null {
  const [[low, high] = [0n, 0n], ...more] = set
  if (more.length === 0 && low === 0n && high >= 2n ** 32n - 1n) return null
  const render = v6 ? renderIpv6 : renderIpv4
  return list(set, render)
}

function renderIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")
}

/** Through the URL parser, which knows the shortest form. */
function renderIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16),
  )
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1)
}

function interfaceName(name: string): string {
  if (name === "/") return "any other interface"
  return name.endsWith("/") ? `any other interface ${name.slice(0, -1)}…` : name
}
