/** Makes a grant or a denial of what somebody asked for on a running machine, by the very rules of egress sets. */

import { stringify } from "smol-toml"
import type { EgressDenial, EgressGrant } from "../../contract/egress-grant.ts"
import { Fault } from "../../contract/fault.ts"
import { egressSetFile, readEgressPolicy } from "../../contract/read-egress-policy.ts"

export interface LiveRuleWish {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly methods: readonly string[]
  readonly paths: readonly string[]
  readonly websocket: boolean
  readonly why: string
  readonly owner: string
}

const SOURCE = { file: "live", line: 0 } as const

/** Fault `egress/bad-rule`: what a set may not open, nobody may open by hand either. */
export function parseLiveGrant(wish: LiveRuleWish): EgressGrant {
  const { host, port, methods, paths, websocket, why, owner } = wish
  const allow = [{ host, port, methods: [...methods], paths: [...paths], websocket, why }]
  const text = stringify({ name: "live", why: "made while the machine runs", owner, allow })
  const policy = readEgressPolicy([{ name: "live", text }])
  const grant = policy.kind === "rules" ? policy.grants[0] : undefined
  if (grant) return { ...grant, id: wish.id, source: SOURCE }
  throw new Fault("egress/bad-rule", policy.kind === "broken" ? inWords(policy.reason) : "it opens nothing", {
    hint: "a rule made by hand is checked as those in policies/egress are; see docs/definitions.md",
  })
}

/** Fault `egress/bad-rule`. Only host, reason and owner of the wish count. */
export function parseLiveDenial(wish: LiveRuleWish): EgressDenial {
  const { id, source, host, why, owner } = parseLiveGrant(wish)
  return { id, source, host, why, owner }
}

/** Without the place in a file that nobody wrote. */
function inWords(reason: string): string {
  const place = `${egressSetFile("live")}:`
  const lines = reason.split("\n").map((line) => {
    const rest = line.startsWith(place) ? line.slice(place.length).replace(/^\d+: /, "") : line
    return rest.replace(/^allow(?:\[0\]|\.0)\./, "")
  })
  return lines.join("; ")
}
