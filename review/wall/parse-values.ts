/** Reads the values that nft's JSON has for a field: numbers, names, addresses, ranges, prefixes. */

import { isIPv4, isIPv6 } from "node:net"
import { type IntervalSet, unite } from "./interval.ts"
import { DIRECTIONS, only, STATES } from "./packet-space.ts"

/** How a field's values are written. */
export type ValueKind =
  | { readonly kind: "number" | "ipv4" | "ipv6" | "protocol" | "family" | "state" | "direction" | "ether" }
  | { readonly kind: "interface"; readonly by: "name" | "index"; readonly interfaces: readonly string[] }
  /** The first byte of the transport header, which is also the upper half of the source port. */
  | { readonly kind: "icmp-type"; readonly names: Readonly<Record<string, number>> }

const PROTOCOLS: Readonly<Record<string, number>> = {
  ...{ icmp: 1, igmp: 2, ipip: 4, ipencap: 4, tcp: 6, udp: 17, dccp: 33, ipv6: 41, gre: 47, esp: 50, ah: 51 },
  ...{ icmpv6: 58, "ipv6-icmp": 58, ipcomp: 108, sctp: 132, udplite: 136 },
}

/** The values meant, or null when they are not understood. */
export function parseValues(value: unknown, as: ValueKind): IntervalSet | null {
  if (Array.isArray(value)) return uniteAll(value.map((one) => parseValues(one, as)))
  if (typeof value !== "object" || value === null) return parseScalar(value, as)
  const [[key, inner] = ["", null], ...more] = Object.entries(value)
  if (more.length > 0) return null
  if (key === "set") return parseValues(inner, as)
  if (key === "range") return parseRange(inner, as)
  if (key === "prefix") return parsePrefix(inner, as)
  return null
}

function uniteAll(sets: readonly (IntervalSet | null)[]): IntervalSet | null {
  const known = sets.filter((set) => set !== null)
  return known.length < sets.length ? null : unite(...known)
}

function parseRange(range: unknown, as: ValueKind): IntervalSet | null {
  if (!Array.isArray(range) || range.length !== 2 || as.kind === "interface") return null
  const [from] = parseScalar(range[0], as) ?? []
  const [to] = parseScalar(range[1], as) ?? []
  if (from === undefined || to === undefined || from[0] > to[1]) return null
  return [[from[0], to[1]]]
}

function parsePrefix(prefix: unknown, as: ValueKind): IntervalSet | null {
  const { addr, len } = Object(prefix) as { addr?: unknown; len?: unknown }
  const bits = as.kind === "ipv4" ? 32 : as.kind === "ipv6" ? 128 : null
  const [address] = parseScalar(addr, as) ?? []
  if (bits === null || address === undefined || !Number.isInteger(len)) return null
  const length = Number(len)
  if (length < 0 || length > bits) return null
  const rest = (1n << BigInt(bits - length)) - 1n
  const low = address[0] & ~rest
  return [[low, low | rest]]
}

function parseScalar(value: unknown, as: ValueKind): IntervalSet | null {
  const number = typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null
  const word = typeof value === "string" ? value : null
  const named = (names: Readonly<Record<string, number>>) =>
    number ?? (word !== null && Object.hasOwn(names, word) ? (names[word] ?? null) : null)
  switch (as.kind) {
    case "number":
      return point(number)
    case "ipv4":
      return word !== null && isIPv4(word) ? only(readIpv4(word)) : null
    case "ipv6":
      return word !== null && isIPv6(word) && !word.includes("%") ? only(readIpv6(word)) : null
    case "protocol":
      return point(named(PROTOCOLS))
    case "family":
      return point(word === null ? null : named({ ipv4: 4, ipv6: 6 }))
    case "ether":
      return point(word === null ? null : named({ ip: 4, ip6: 6 }))
    case "state":
      return point(word === null ? null : named(indexed(STATES)))
    case "direction":
      return point(word === null ? null : named(indexed(DIRECTIONS.slice(0, 2))))
    case "interface":
      return word === null ? null : parseInterface(word, as.by, as.interfaces)
    case "icmp-type": {
      const type = named(as.names)
      return type === null || type > 255 ? null : [[BigInt(type) << 8n, (BigInt(type) << 8n) | 255n]]
    }
    default:
      return as satisfies never
  }
}

/**
 * A name that ends in `*` stands for each that begins so. A number may be an index that no interface has, or a name;
 * a lone star is what a set says of all it does not name; a star of the name's own has a backslash before it.
 */
function parseInterface(
  word: string,
  by: "name" | "index",
  interfaces: readonly string[],
): IntervalSet | null {
  if ((by === "index" && /^\d+$/.test(word)) || word === "*" || /[\\/]/.test(word)) return null
  const begins = by === "name" && word.endsWith("*") ? word.slice(0, -1) : null
  const matches = interfaces.flatMap((name, index) =>
    // the first one is "none", whose name is empty
    (begins === null ? name === word : name.startsWith(begins)) ? [BigInt(index)] : [],
  )
  return matches.length === 0 ? null : only(...matches)
}

function point(value: number | null): IntervalSet | null {
  return value === null ? null : only(BigInt(value))
}

function indexed(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, index) => [name, index]))
}

function readIpv4(text: string): bigint {
  return text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

function readIpv6(text: string): bigint {
  const plain = text.replace(/\d+\.\d+\.\d+\.\d+$/, (tail) => {
    const value = readIpv4(tail)
    return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`
  })
  const [head = "", tail] = plain.split("::")
  const groups = (part: string) => (part === "" ? [] : part.split(":"))
  const right = tail === undefined ? [] : groups(tail)
  const left = groups(head)
  const zeros = Array<string>(8 - left.length - right.length).fill("0")
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}
