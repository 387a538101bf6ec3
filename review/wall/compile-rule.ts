/** Turns a rule as nft lists it into statements that the evaluators understand; the rest becomes opaque. */

import { IPV4, IPV6, only, type PartialBox } from "./packet-space.ts"
import { parseValues } from "./parse-values.ts"
import { type RuleContext, readLookup, readMatch } from "./read-condition.ts"
import { readField } from "./read-field.ts"
import { readTranslation } from "./read-translation.ts"
import { renderStatement } from "./render-rule.ts"
import type { Statement, Verdict } from "./statement.ts"

/** What these hold is read by no rule that the proof understands. */
const WRITTEN_ONLY = ['ct "mark"', 'meta "nftrace"', 'meta "priority"']

export function compileStatement(
  statement: Readonly<Record<string, unknown>>,
  context: RuleContext,
): Statement {
  const [[kind, body] = ["", null], ...more] = Object.entries(statement)
  const compiled = more.length > 0 ? null : compileKind(kind, body, context)
  // a match only lets go on or not; of anything else the worst is assumed, that it takes the packet away
  return compiled ?? { kind: "opaque", what: renderStatement(statement), mayAccept: kind !== "match" }
}

function compileKind(kind: string, body: unknown, context: RuleContext): Statement | null {
  switch (kind) {
    case "counter":
      // one that is looked up in a map ends the rule where the map has none
      return Object.hasOwn(Object(body), "map") ? null : { kind: "note" }
    case "log":
    case "comment":
      return { kind: "note" }
    case "match":
      return readMatch(body, context)
    case "vmap":
      return readVerdictMap(body, context)
    case "reject":
      return readReject(body, context.family)
    case "mangle":
      return readWrite(body, context)
    case "notrack":
      return { kind: "untrack" }
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
      return readTranslation(kind, body, context)
    default: {
      const verdict = readVerdict({ [kind]: body })
      return verdict && { kind: "verdict", verdict }
    }
  }
}

function readVerdict(value: unknown): Verdict | null {
  const [[kind, body] = ["", null], ...more] = Object.entries(Object(value))
  if (more.length > 0) return null
  switch (kind) {
    case "accept":
    case "drop":
    case "return":
    case "continue":
      return { kind }
    case "jump":
    case "goto": {
      const target = Object(body)["target"] as unknown
      return typeof target === "string" ? { kind, target } : null
    }
    default:
      return null
  }
}

function readVerdictMap(body: unknown, context: RuleContext): Statement | null {
  const { key, data } = Object(body) as { key?: unknown; data?: unknown }
  const lookup = readLookup(key, data, context)
  const arms = lookup?.elements.map((element) => {
    const verdict = readVerdict(element.data)
    return verdict && { when: element.when, does: verdict }
  })
  const known = arms?.filter((arm) => arm !== null) ?? []
  if (!lookup || !arms || known.length < arms.length) return null
  return { kind: "choose", must: lookup.must, arms: known }
}

/** nft leaves the test for the answer's protocol out of its listing: a reset is for TCP, an ICMP one for its family. */
function readReject(body: unknown, family: string): Statement | null {
  const type = body === null ? null : (Object(body)["type"] as unknown)
  if (type === "tcp reset") return { kind: "reject", when: { protocol: only(6n) } }
  if (family === "ip" || family === "ip6" || type === null || type === "icmpx")
    return { kind: "reject", when: {} }
  if (type === "icmp") return { kind: "reject", when: { family: only(IPV4) } }
  return type === "icmpv6" ? { kind: "reject", when: { family: only(IPV6) } } : null
}

/** Constants only: a value that must be read first, or looked up, ends the rule where it is not there. */
function readWrite(body: unknown, context: RuleContext): Statement | null {
  const { key, value } = Object(body) as { key?: unknown; value?: unknown }
  if (typeof value !== "number" && typeof value !== "string") return null
  const [[kind, inner] = ["", null]] = Object.entries(Object(key))
  if (WRITTEN_ONLY.includes(`${kind} ${JSON.stringify(Object(inner)["key"])}`)) return { kind: "note" }
  const field = readField(key, context)
  if (field === null || !["source", "destination", "sport", "dport", "mark"].includes(field.dimension))
    return null
  const values = field.values.kind === "icmp-type" ? null : parseValues(value, field.values)
  return values && { kind: "write", must: mustBe(field.must), values: { [field.dimension]: values } }
}

/** A mark can be set on any packet, whatever it had. */
function mustBe({ mark: _any, ...must }: PartialBox): PartialBox {
  return must
}
