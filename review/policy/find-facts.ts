/** What of a policy a reviewer should look at, each with the place where it is written. Pure. */

import type { EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import { describeGrant, describePlace } from "./describe-grant.ts"

export interface ReviewFact {
  readonly kind: FactKind
  /** What it is about: where a rule leads, or the policy. */
  readonly subject: string
  readonly message: string
  /** The rule; null where there is none, for the policy is broken. */
  readonly rule: string | null
  readonly file: string
  /** From 1; 0 where there is no line. */
  readonly line: number
}

export type FactKind = keyof typeof FACT_KINDS

/** How grave each kind is, and what it is, in words. */
export const FACT_KINDS = {
  "broken-policy": { level: "error", title: "A part of the policy cannot be read, so nothing leaves" },
  expired: { level: "warning", title: "The rule has expired and allows nothing any more" },
  "expires-soon": { level: "warning", title: "The rule expires within 30 days" },
  "wide-path": { level: "warning", title: "Everything under a path is open" },
  "wildcard-host": { level: "warning", title: "More hosts than one are open" },
  websocket: { level: "warning", title: "A WebSocket may be opened, whose frames no rule looks into" },
  "unusual-port": { level: "warning", title: "Another port than 443" },
  "changes-things": { level: "warning", title: "PUT, PATCH or DELETE may be sent" },
  "sends-bodies": { level: "note", title: "POST may be sent: what the agent holds can leave in a body" },
  "any-query": { level: "note", title: "Any query may be sent" },
  "no-expiry": { level: "note", title: "The rule has no expiry" },
} as const

/** `today` is the day in UTC, YYYY-MM-DD. */
export function findFacts(policy: EgressPolicy, today: string): readonly ReviewFact[] {
  if (policy.kind === "broken") return [brokenFact(policy)]
  const facts = policy.grants.flatMap((grant) => factsOf(grant, today))
  // a git rule is several grants, and is looked at once
  return [...new Map(facts.map((fact) => [JSON.stringify(fact), fact])).values()]
}

/** Where it is wrong stands at the beginning of the reason, if it can be said. */
function brokenFact({ rule, reason }: Extract<EgressPolicy, { kind: "broken" }>): ReviewFact {
  const place = /^(\S+\.toml):(\d+): /.exec(reason) ?? /^(\S+\.toml)\b/.exec(reason)
  const line = Number(place?.[2] ?? 0)
  const about = { kind: "broken-policy" as const, subject: "nothing may leave", message: reason }
  return { ...about, rule, file: place?.[1] ?? "", line }
}

function factsOf(grant: EgressGrant, today: string): ReviewFact[] {
  const { file, line } = grant.source
  const { origin, state, expiry } = describeGrant(grant, today)
  const has = (kind: FactKind, detail: string): ReviewFact => {
    return { kind, subject: origin, message: detail, rule: grant.id, file, line }
  }
  const wide = grant.paths.filter((path) => path.endsWith("/**"))
  const changing = grant.methods.filter((method) => ["PUT", "PATCH", "DELETE"].includes(method))
  return [
    ...(state === "expired" ? [has("expired", expiry)] : []),
    ...(state === "expires soon" ? [has("expires-soon", expiry)] : []),
    ...(wide.length > 0 ? [has("wide-path", `everything under ${wide.join(", ")}`)] : []),
    ...(grant.host.startsWith("*.") ? [has("wildcard-host", "any one label in place of the star")] : []),
    ...(grant.websocket ? [has("websocket", "a WebSocket may be opened")] : []),
    ...(grant.port === 443 ? [] : [has("unusual-port", `port ${grant.port}, by ${grant.scheme}`)]),
    ...(changing.length > 0 ? [has("changes-things", `${changing.join(", ")} may be sent`)] : []),
    ...(grant.methods.includes("POST") ? [has("sends-bodies", "POST may be sent")] : []),
    ...(grant.query === "any" ? [has("any-query", "any query may be sent")] : []),
    ...(grant.expires === null ? [has("no-expiry", `no expiry; ${grant.owner} answers for it`)] : []),
  ]
}

/** The facts of one grant, for reports that list grants. */
export function factsAbout(facts: readonly ReviewFact[], grant: EgressGrant): readonly ReviewFact[] {
  const place = describePlace(grant)
  const { origin } = describeGrant(grant, "0000-00-00")
  return facts.filter(
    (fact) => fact.rule === grant.id && `${fact.file}:${fact.line}` === place && fact.subject === origin,
  )
}
