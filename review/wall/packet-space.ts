/** The space of packets: its dimensions, the values that stand for "none", and boxes in it. */

import type { IntervalSet } from "./interval.ts"

/**
 * One coordinate of a packet each. What a packet lacks has a value of its own beyond the real ones, since a rule that
 * reads it ends there: neither the match nor its negation holds.
 */
export const DIMENSIONS = [
  "family",
  "protocol",
  "source",
  "destination",
  "sport",
  "dport",
  "uid",
  "gid",
  "iif",
  "oif",
  "state",
  "direction",
  "mark",
  "bound",
] as const
export type Dimension = (typeof DIMENSIONS)[number]

/** A set of packets: the product of one set of values a dimension. */
export type Box = Readonly<Record<Dimension, IntervalSet>>
/** A box that says nothing of some dimensions. */
export type PartialBox = Readonly<Partial<Record<Dimension, IntervalSet>>>

export const IPV4 = 4n
export const IPV6 = 6n
/** The kernel found no transport protocol (IPv6 with a broken chain of headers). */
export const NO_PROTOCOL = 256n
/** No transport header to read: a later fragment, or a packet cut short. */
export const NO_PORT = 65_536n
/** The packet has no socket with an owner. */
export const NO_OWNER = 2n ** 32n
/** Index 0 of the interfaces: there is none at this hook. */
export const NO_INTERFACE = 0n
export const LOOPBACK = 1n

export const STATES = ["new", "established", "related", "invalid", "untracked"] as const
export const DIRECTIONS = ["original", "reply", "none"] as const

export const ALL_V4: IntervalSet = [[0n, 2n ** 32n - 1n]]
export const ALL_V6: IntervalSet = [[0n, 2n ** 128n - 1n]]
export const ALL_OWNERS: IntervalSet = [[0n, NO_OWNER]]

export function only(...values: readonly bigint[]): IntervalSet {
  return values.toSorted((left, right) => (left < right ? -1 : 1)).map((value) => [value, value] as const)
}

/**
 * Every packet there can be, whatever it took to make it: raw sockets, spoofed addresses, a socket bound to an
 * interface, any state that connection tracking can give. `iif` and `oif` say which interfaces it may have.
 */
export function everyPacket(iif: IntervalSet, oif: IntervalSet): readonly Box[] {
  const ports: IntervalSet = [[0n, NO_PORT]]
  const layers: readonly PartialBox[] = [
    { family: only(IPV4), protocol: [[0n, 255n]], source: ALL_V4, destination: ALL_V4 },
    { family: only(IPV6), protocol: [[0n, 255n]], source: ALL_V6, destination: ALL_V6 },
    {
      ...{ family: only(IPV6), protocol: only(NO_PROTOCOL), source: ALL_V6, destination: ALL_V6 },
      ...{ sport: only(NO_PORT), dport: only(NO_PORT) },
    },
  ]
  const owners: readonly PartialBox[] = [
    { uid: [[0n, NO_OWNER - 1n]], gid: [[0n, NO_OWNER - 1n]] },
    { uid: only(NO_OWNER), gid: only(NO_OWNER) },
  ]
  const tracking: readonly PartialBox[] = [
    { state: only(0n), direction: only(0n) },
    { state: [[1n, 2n]], direction: [[0n, 1n]] },
    { state: [[3n, 4n]], direction: only(2n) },
  ]
  const rest = { sport: ports, dport: ports, iif, oif, mark: [[0n, 2n ** 32n - 1n]], bound: [[0n, 1n]] }
  return layers.flatMap((layer) =>
    // together they name every dimension
    owners.flatMap((owner) => tracking.map((track) => ({ ...rest, ...layer, ...owner, ...track }) as Box)),
  )
}
