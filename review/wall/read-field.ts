/** What a rule reads of a packet: the field's dimension, and what the packet must have for it to be read at all. */

import {
  ALL_V4,
  type Dimension,
  IPV4,
  IPV6,
  NO_OWNER,
  NO_PORT,
  NO_PROTOCOL,
  only,
  type PartialBox,
} from "./packet-space.ts"
import type { ValueKind } from "./parse-values.ts"

export interface Field {
  readonly dimension: Dimension
  readonly must: PartialBox
  readonly values: ValueKind
}

/** What fields depend on besides the expression. */
export interface FieldContext {
  readonly family: string
  readonly interfaces: readonly string[]
}

const PORTS = [[0n, NO_PORT - 1n]] as const
const OWNED = [[0n, NO_OWNER - 1n]] as const
const PROTOCOLS = [[0n, NO_PROTOCOL - 1n]] as const
/** Protocols whose first four bytes are the two ports. */
const WITH_PORTS: Readonly<Record<string, bigint>> = {
  tcp: 6n,
  udp: 17n,
  dccp: 33n,
  sctp: 132n,
  udplite: 136n,
}
const ICMP_TYPES = {
  ...{ "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, redirect: 5, "echo-request": 8 },
  ...{ "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12 },
  ...{ "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16 },
  ...{ "address-mask-request": 17, "address-mask-reply": 18 },
}
const ICMPV6_TYPES = {
  ...{ "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4 },
  ...{ "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131 },
  ...{
    "mld-listener-done": 132,
    "nd-router-solicit": 133,
    "nd-router-advert": 134,
    "nd-neighbor-solicit": 135,
  },
  ...{ "nd-neighbor-advert": 136, "nd-redirect": 137 },
}

/** Null when the expression is not one that the proof understands. */
export function readField(expression: unknown, context: FieldContext): Field | null {
  const [[kind, inner] = ["", null], ...more] = Object.entries(Object(expression))
  if (more.length > 0 || typeof inner !== "object" || inner === null) return null
  const asked = inner as Readonly<Record<string, unknown>>
  const keys = Object.keys(asked)
  if (kind === "payload" && keys.length === 2) return readPayload(asked["protocol"], asked["field"])
  if (kind === "meta" && keys.length === 1) return readMeta(asked["key"], context)
  if (kind === "ct" && keys.length === 1) return readTracking(asked["key"])
  return null
}

function readPayload(protocol: unknown, field: unknown): Field | null {
  if (typeof protocol !== "string" || typeof field !== "string") return null
  const end = { saddr: "source", daddr: "destination" } as const
  const port = { sport: "sport", dport: "dport" } as const
  if (protocol === "ip" || protocol === "ip6") {
    const must = { family: only(protocol === "ip" ? IPV4 : IPV6) }
    const values = { kind: protocol === "ip" ? "ipv4" : "ipv6" } as const
    if (field === "saddr" || field === "daddr") return { dimension: end[field], must, values }
    const plain = protocol === "ip" && field === "protocol"
    return plain ? { dimension: "protocol", must, values: { kind: "protocol" } } : null
  }
  if (field === "sport" || field === "dport") {
    const number = WITH_PORTS[protocol]
    if (protocol !== "th" && number === undefined) return null
    // an expression on the transport header needs one, whatever the protocol
    const layer = number === undefined ? PROTOCOLS : only(number)
    return {
      dimension: port[field],
      must: { protocol: layer, [port[field]]: PORTS },
      values: { kind: "number" },
    }
  }
  if (field !== "type") return null
  if (protocol === "icmp") return icmpType(IPV4, 1n, ICMP_TYPES)
  return protocol === "icmpv6" ? icmpType(IPV6, 58n, ICMPV6_TYPES) : null
}

/** nft adds the family's test to it by itself, even where the listing does not show one. */
function icmpType(family: bigint, protocol: bigint, names: Readonly<Record<string, number>>): Field {
  return {
    dimension: "sport",
    must: { family: only(family), protocol: only(protocol), sport: PORTS },
    values: { kind: "icmp-type", names },
  }
}

function readMeta(key: unknown, { family, interfaces }: FieldContext): Field | null {
  switch (key) {
    case "nfproto":
      // elsewhere it is the family of the hook, not of the packet
      return family === "inet" ? { dimension: "family", must: {}, values: { kind: "family" } } : null
    case "protocol":
      return { dimension: "family", must: {}, values: { kind: "ether" } }
    case "l4proto":
      return { dimension: "protocol", must: { protocol: PROTOCOLS }, values: { kind: "protocol" } }
    case "skuid":
      return { dimension: "uid", must: { uid: OWNED }, values: { kind: "number" } }
    case "skgid":
      return { dimension: "gid", must: { gid: OWNED }, values: { kind: "number" } }
    case "mark":
      return { dimension: "mark", must: { mark: ALL_V4 }, values: { kind: "number" } }
    case "iif":
    case "oif":
      return { dimension: key, must: {}, values: { kind: "interface", by: "index", interfaces } }
    case "iifname":
      return { dimension: "iif", must: {}, values: { kind: "interface", by: "name", interfaces } }
    case "oifname":
      return { dimension: "oif", must: {}, values: { kind: "interface", by: "name", interfaces } }
    default:
      return null
  }
}

function readTracking(key: unknown): Field | null {
  if (key === "state") return { dimension: "state", must: {}, values: { kind: "state" } }
  if (key !== "direction") return null
  return { dimension: "direction", must: { direction: [[0n, 1n]] }, values: { kind: "direction" } }
}
