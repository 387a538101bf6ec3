/** What a guest's head may not hold, beyond what HTTP/2 itself forbids: whatever two readers could take in two ways. */

import { GUEST_CLAIM_HEADERS } from "../../contract/wire.ts"
import type { GuestHead, HeaderList, Refusal } from "../exchange.ts"

/** Of these a second one would be a second meaning. */
const ONCE = new Set(
  "authorization api-key content-length content-range content-type host origin x-api-key x-goog-api-key sec-websocket-key sec-websocket-version".split(
    " ",
  ),
)
/** About one connection: HTTP/2 has no use for them, and the next hop speaks HTTP/1. */
const CONNECTION_BOUND = new Set(
  "connection keep-alive proxy-connection transfer-encoding upgrade http2-settings trailer".split(" "),
)
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,256}$/
/** Printable ASCII with spaces and tabs inside: no control, no fold, nothing over 0x7e. */
const VALUE = /^(?:[!-~](?:[\t -~]*[!-~])?)?$/
/** One number that every reader takes for the same, far below 2^53. */
const LENGTH = /^(?:0|[1-9]\d{0,14})$/
const MAX_TARGET = 16_384
const MAX_AUTHORITY = 300

interface Oddity {
  readonly rule: string
  readonly reason: string
}

/** Null: nothing is odd. `raw`: all pairs as they came, pseudo-headers too. */
export function checkHead(head: GuestHead, raw: HeaderList): Refusal | null {
  const odd = findOddPseudo(head, raw) ?? findOddHeader(raw.filter(([name]) => !name.startsWith(":")))
  if (odd === null) return null
  const hint = "send plain HTTP with each header once; look at which program makes the request"
  return { status: odd.rule === "request/extended-connect" ? 501 : 400, ...odd, hint }
}

function findOddPseudo(head: GuestHead, raw: HeaderList): Oddity | null {
  const names = raw.map(([name]) => name).filter((name) => name.startsWith(":"))
  const odd = (rule: string, reason: string) => ({ rule: `request/${rule}`, reason })
  if (new Set(names).size !== names.length) return odd("pseudo-header", "a pseudo-header came twice")
  if (!/^[A-Z]{1,16}$/.test(head.method))
    return odd("malformed", "the method is not one to sixteen capital letters")
  const protocol = raw.find(([name]) => name === ":protocol")?.[1]
  if (protocol !== undefined && head.upgrade === undefined) {
    return odd("extended-connect", `extended CONNECT is for websocket only, not for ${quote(protocol)}`)
  }
  if (head.authority === "" || head.authority.length > MAX_AUTHORITY)
    return odd("authority", "the authority is missing or too long")
  if (!/^[!-~]+$/.test(head.authority) || /[@%\\/?#,]|:0\d|:$/.test(head.authority))
    return odd("authority", `${quote(head.authority)} is not a plain host with perhaps a port`)
  if (head.target.length > MAX_TARGET) return odd("malformed", "the path is longer than 16 KiB")
  return null
}

function findOddHeader(headers: HeaderList): Oddity | null {
  const seen = new Set<string>()
  for (const [name, value] of headers) {
    const odd = describeOddHeader(name, value) ?? (ONCE.has(name) && seen.has(name) ? repeated(name) : null)
    if (odd !== null) return odd
    seen.add(name)
  }
  return null
}

function describeOddHeader(name: string, value: string): Oddity | null {
  const dashed = name.replaceAll("_", "-")
  // to servers that make variables of headers, as CGI does, both are one
  if (dashed !== name && (ONCE.has(dashed) || CONNECTION_BOUND.has(dashed))) {
    return { rule: "request/header-name", reason: `${name} is another spelling of ${dashed}` }
  }
  if (!NAME.test(name)) return { rule: "request/header-name", reason: `${quote(name)} is no header's name` }
  if (CONNECTION_BOUND.has(name) || (name === "te" && value !== "trailers")) {
    return { rule: "request/connection-header", reason: `${name} is about a connection, and HTTP/2 has none` }
  }
  if (name === "content-length" && !LENGTH.test(value)) {
    return { rule: "request/length", reason: `content-length ${quote(value)} is not one plain number` }
  }
  // what the guest claims is bounded and cleaned where it is read, and goes nowhere
  if (VALUE.test(value) || name.startsWith(GUEST_CLAIM_HEADERS.prefix)) return null
  const reason = `the value of ${name} holds more than printable ASCII, or begins or ends in a space`
  return { rule: "request/header-value", reason }
}

function repeated(name: string): Oddity {
  return {
    rule: name === "content-length" ? "request/length" : "request/repeated-header",
    reason: `${name} came twice`,
  }
}

/** Guest text for a message: bounded, printable. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 120).replace(/[^\x20-\x7e]/g, "?"))
}
