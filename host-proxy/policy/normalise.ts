/** Turns the wire's scheme, authority and target into the one spelling that rules are written in, or refuses. */

import { isIP } from "node:net"
import { specialUseOf } from "../../contract/egress-host.ts"
import { describeAmbiguousPath } from "../../contract/egress-path.ts"
import type { EgressRequest } from "../../contract/verdict.ts"
import type { GuestHead, Refusal } from "../exchange.ts"

export type Normalised = { readonly request: EgressRequest } | { readonly refusal: Refusal }

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** The last label of any spelling of an IPv4 address: a resolver would read it as a number. */
const NUMERIC = /^(?:\d+|0x[0-9a-f]*)$/
const AUTHORITY = /^([^:@]+)(?::(\d{1,5}))?$/
/** By these some servers take another method, host or path for the one that was decided on. */
const OVERRIDES = new Set(
  "x-http-method-override x-http-method x-method-override x-original-url x-rewrite-url x-forwarded-host x-original-host x-host forwarded".split(
    " ",
  ),
)

/** One EgressRequest for each way of saying it; whatever could be read in two ways is refused. */
export function normaliseRequest(head: GuestHead): Normalised {
  if (head.scheme !== "https" && head.scheme !== "http") {
    return refuse("egress/scheme", `the scheme ${quote(head.scheme)} is not http or https`)
  }
  const place = normaliseAuthority(head.authority, head.scheme === "https" ? 443 : 80)
  if ("refusal" in place) return place
  const claimed = contradiction(head, place.host)
  if (claimed) return { refusal: claimed }
  const path = head.target.split("?", 1)[0] ?? ""
  // to servers that make variables of headers, as CGI does, an underscore is a dash
  const override = head.headers.find(([name]) => OVERRIDES.has(name.replaceAll("_", "-")))
  if (override)
    return refuse("egress/override", `the header ${override[0]} asks for another method, host or path`)
  const wrong = describeBadTarget(head.target, path)
  if (wrong) return refuse("egress/bad-path", wrong)
  const query = head.target.includes("?") ? head.target.slice(path.length + 1) : null
  const { scheme, method } = head
  return { request: { scheme, ...place, method, path, query, websocket: head.upgrade === "websocket" } }
}

type Place = { readonly host: string; readonly port: number }

/** Host and port of an authority such as `api.example.com:443`. */
export function normaliseAuthority(authority: string, defaultPort: number): Place | { refusal: Refusal } {
  if (authority.includes("[") || isIP(authority) === 6 || authority.split(":").length > 2) {
    return refuse("egress/ip-literal", `${quote(authority)} names an address, not a host`)
  }
  const parts = AUTHORITY.exec(authority)
  if (!parts) return refuse("egress/bad-host", `${quote(authority)} is not host or host:port`)
  const port = parts[2] === undefined ? defaultPort : Number(parts[2])
  if (port < 1 || port > 65535) return refuse("egress/bad-host", `${port} is not a port`)
  const host = (parts[1] ?? "").toLowerCase()
  const labels = host.split(".")
  if (NUMERIC.test(labels.at(-1) ?? "") || (labels.at(-1) === "" && NUMERIC.test(labels.at(-2) ?? ""))) {
    return refuse("egress/ip-literal", `${quote(authority)} can be read as an address`)
  }
  if (host.length > 253 || labels.length < 2 || !labels.every((label) => LABEL.test(label))) {
    return refuse(
      "egress/bad-host",
      `${quote(host)} is not a full lower-case host name without a trailing dot`,
    )
  }
  const special = specialUseOf(host)
  if (special === null) return { host, port }
  return refuse("egress/floor", `${quote(host)} lies under .${special}, which is never the public Internet`)
}

function contradiction(head: GuestHead, host: string): Refusal | null {
  const sni = head.claims.sni
  if (sni !== null && sni.toLowerCase() !== host) {
    return refusal("egress/sni-mismatch", `the TLS handshake named ${quote(sni)}, the request ${quote(host)}`)
  }
  const hosts = head.headers.filter(([name]) => name === "host")
  const other = hosts.find(([, value]) => value.toLowerCase() !== head.authority.toLowerCase())
  if (hosts.length < 2 && !other) return null
  return refusal(
    "egress/host-mismatch",
    `the Host header differs from the authority ${quote(head.authority)}`,
  )
}

function describeBadTarget(target: string, path: string): string | null {
  if (!target.startsWith("/")) return `the target ${quote(target)} does not begin with a slash`
  if (!/^[!-~]+$/.test(target) || target.includes("#")) {
    return `the target ${quote(target)} holds characters that a URL may not`
  }
  const ambiguous = describeAmbiguousPath(path)
  return ambiguous === null ? null : `the path ${quote(path)} ${ambiguous}`
}

function refuse(rule: string, reason: string): { readonly refusal: Refusal } {
  return { refusal: refusal(rule, reason) }
}

const HINTS: Readonly<Record<string, string>> = {
  "egress/scheme": "call the host by https",
  "egress/ip-literal": "name the host instead: rules are about names, and an address is never allowed",
  "egress/floor":
    "call a public host by its name; no rule opens names of the local network or of metadata services",
  "egress/bad-host": "write the host as a plain name such as api.example.com, without a dot at its end",
  "egress/bad-path":
    "write the path plainly: no dot segments, no doubled slashes, nothing encoded that need not be",
  "egress/override": "ask for the method, host and path that are meant, and leave the header out",
  "egress/sni-mismatch": "ask in the request for the host that the TLS connection was made to",
  "egress/host-mismatch": "send one Host header, the same as the host that is called",
}

function refusal(rule: string, reason: string): Refusal {
  const status =
    ["egress/ip-literal", "egress/override", "egress/floor"].includes(rule) || rule.endsWith("-mismatch")
      ? 403
      : 400
  return { status, rule, reason, hint: HINTS[rule] ?? "send the request in its plain form" }
}

/** Guest text for a message: bounded, printable. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 120).replace(/[^\x20-\x7e]/g, "?"))
}
