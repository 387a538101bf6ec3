/** One text for one meaning of `nft -j list ruleset`, so that two kernels' listings of the same rules compare equal. */

import { createHash } from "node:crypto"
import { Fault } from "./fault.ts"

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type JsonObject = { readonly [key: string]: Json }

/** Deeper than any listing of nft, and shallow enough for whoever reads a guest's. */
const MAX_DEPTH = 40

/** nft prints a name where the image has an /etc/protocols and a number where it has none. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  ...{ 1: "icmp", 2: "igmp", 4: "ipencap", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 47: "gre" },
  ...{ 50: "esp", 51: "ah", 58: "ipv6-icmp", 108: "ipcomp", 132: "sctp", 136: "udplite" },
}

/**
 * nft's own JSON, an object a line, keys sorted: without version and handles, counts at zero, protocols by name,
 * the elements of sets sorted. Order is kept wherever it may have a meaning. Equal texts are equal rules; nothing
 * that could make a difference to a packet is left out. Fault: `ruleset/not-a-listing`.
 */
export function canonicalRuleset(listing: unknown): string {
  const found = isObject(listing) ? listing["nftables"] : undefined
  if (!Array.isArray(found)) throw notAListing("there is no list called nftables")
  const lines = found.flatMap((item: Json, index) => {
    const [kind, body, ...more] = isObject(item) ? Object.entries(item).flat() : []
    if (typeof kind !== "string" || !isObject(body) || more.length > 0) {
      throw notAListing(`item ${index + 1} is no object with one kind`)
    }
    return kind === "metainfo" ? [] : [JSON.stringify({ [kind]: canonicalItem(kind, body) })]
  })
  return lines.length === 0 ? '{"nftables": []}\n' : `{"nftables": [\n${lines.join(",\n")}\n]}\n`
}

/** The digest that a manifest promises: of the canonical text, and so of an image's `ruleset.json` as it lies. */
export function digestRuleset(canonical: string): string {
  return createHash("sha256").update(canonical).digest("hex")
}

function canonicalItem(kind: string, body: JsonObject): Json {
  const { handle: _handle, ...rest } = body
  const counted = kind === "counter" || kind === "quota" ? { [kind]: rest } : null
  const plain = counted ? (canonical(counted, 0) as JsonObject)[kind] : canonical(rest, 0)
  // named sets and maps are sets as well: the kernel gives their elements in an order of its own
  if ((kind !== "set" && kind !== "map") || !isObject(plain)) return plain ?? null
  const { elem } = plain
  return Array.isArray(elem) ? { ...plain, elem: sorted(elem) } : plain
}

function canonical(value: Json, depth: number): Json {
  if (depth > MAX_DEPTH) throw notAListing(`it is nested deeper than ${MAX_DEPTH}`)
  if (Array.isArray(value)) return value.map((part: Json) => canonical(part, depth + 1))
  // what JSON.parse has rounded could have been another number
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER)
    throw notAListing(`it holds a number beyond ${Number.MAX_SAFE_INTEGER}`)
  if (!isObject(value)) return value
  const entries = Object.entries(value).map(([key, part]): [string, Json] => {
    if (key === "match" && isObject(part)) return [key, canonical(namedMatch(part), depth + 1)]
    const inner = canonical(part, depth + 1)
    if (key === "set" && Array.isArray(inner)) return [key, sorted(inner)]
    return [key, isObject(inner) ? withoutCounts(key, inner) : inner]
  })
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)))
}

/** What changes by itself as packets pass and time goes by. */
function withoutCounts(key: string, body: JsonObject): JsonObject {
  if (key === "counter") return { ...body, packets: 0, bytes: 0 }
  if (key === "quota" && "used" in body) return { ...body, used: 0 }
  if (key === "last" && "used" in body) return { ...body, used: 0 }
  if (key !== "elem" || !("expires" in body)) return body
  const { expires: _expires, ...rest } = body
  return rest
}

/** A comparison with a transport protocol, each as its name. */
function namedMatch(match: JsonObject): JsonObject {
  const { left, right } = match
  if (right === undefined || !isProtocolField(left)) return match
  const name = (value: Json): Json => (typeof value === "number" ? (PROTOCOLS[value] ?? value) : value)
  if (isObject(right) && Array.isArray(right["set"])) {
    return { ...match, right: { ...right, set: right["set"].map(name) } }
  }
  return { ...match, right: name(right) }
}

function isProtocolField(left: Json | undefined): boolean {
  if (!isObject(left)) return false
  const { meta, payload, ct } = left
  if (isObject(meta)) return meta["key"] === "l4proto"
  if (isObject(ct)) return ct["key"] === "protocol"
  if (!isObject(payload)) return false
  const { protocol, field } = payload
  return (protocol === "ip" && field === "protocol") || (protocol === "ip6" && field === "nexthdr")
}

function sorted(elements: readonly Json[]): Json[] {
  return elements
    .map((element) => ({ element, text: JSON.stringify(element) }))
    .sort((one, other) => (one.text < other.text ? -1 : one.text > other.text ? 1 : 0))
    .map(({ element }) => element)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function notAListing(what: string): Fault {
  return new Fault("ruleset/not-a-listing", `this is no listing of \`nft -j list ruleset\`: ${what}`)
}
