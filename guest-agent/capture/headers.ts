/** Headers from HTTP/1 to HTTP/2 and back: what belongs to one hop stays there, the rest passes in order. */

import type { OutgoingHttpHeaders } from "node:http2"
import { GUEST_CLAIM_HEADERS } from "../../contract/wire.ts"

const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
])

/** `rawHeaders` as node:http gives them. Names that only the proxy may say are taken off. */
export function toHttp2Headers(rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const dropped = droppedNames(rawHeaders)
  // without a prototype: a client may well call its header `constructor` or `__proto__`
  const headers: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of pairs(rawHeaders)) {
    if (name === "host" || dropped.has(name) || name.startsWith(GUEST_CLAIM_HEADERS.prefix)) continue
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  return headers
}

/** The flat list that `writeHead` takes, from the flat list that node:http2 gives. */
export function toHttp1Headers(rawHeaders: readonly string[]): string[] {
  return pairs(rawHeaders)
    .filter(([name]) => !name.startsWith(":") && !HOP_BY_HOP.has(name))
    .flat()
}

/** Hop-by-hop by the standard, or because the message's Connection header says so. */
function droppedNames(rawHeaders: readonly string[]): Set<string> {
  const named = pairs(rawHeaders)
    .filter(([name]) => name === "connection")
    .flatMap(([, value]) => value.split(",").map((one) => one.trim().toLowerCase()))
  return new Set([...HOP_BY_HOP, ...named])
}

function pairs(rawHeaders: readonly string[]): [string, string][] {
  const found: [string, string][] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    found.push([rawHeaders[index]?.toLowerCase() ?? "", rawHeaders[index + 1] ?? ""])
  }
  return found
}
