/** A grant or a live rule in words, the same in answers, in the audit record and on the terminal. */

import type { EgressGrant } from "./egress-grant.ts"
import type { LiveRule } from "./live-rule.ts"

/** `GET, HEAD https://api.example.com:443 /v1/** with any query`. */
export function describeGrant(grant: EgressGrant): string {
  const { scheme, host, port, methods, paths, query, websocket } = grant
  const asked = query === "any" ? "with any query" : query === "none" ? "without query" : `?${query.only}`
  const socket = websocket ? ", WebSocket too" : ""
  return `${methods.join(", ")} ${scheme}://${host}:${port} ${paths.join(" ")} ${asked}${socket}`
}

export function describeLiveRule(rule: LiveRule): string {
  const what =
    rule.kind === "allow" ? `opens ${describeGrant(rule.grant)}` : `closes ${rule.denial.host} altogether`
  return `${what}, ${rule.until === null ? "until the run ends" : `until ${rule.until}`}`
}
