/** One opening, closing or change in the words of every report. Pure. */

import type { EgressRequest } from "../../contract/verdict.ts"
import type { Opening, RuleChange } from "../policy-diff.ts"
import { describeGrant } from "./describe-grant.ts"
import { describeBytes, describeQuery } from "./describe-limits.ts"

/** Which way an opening is read: what the second allows more, or what it allows less. */
export type Direction = "opens" | "closes"

export interface OpeningWords {
  /** What requests, for example `POST https://api.example.com/v1/files/**`. */
  readonly what: string
  /** How they were treated on the other side. */
  readonly how: string
  readonly example: string | null
  /** Limits and checks, joined; null where there are none. */
  readonly terms: string | null
  readonly why: string
  readonly owner: string
  readonly rule: string
}

export function describeOpening(opening: Opening, direction: Direction, today: string): OpeningWords {
  const words = describeGrant(opening.grant, today)
  const origins = opening.hosts.map((host) => words.origin.replace(opening.grant.host, () => host))
  const places = origins.map((origin) =>
    opening.paths.length === 1 ? `${origin}${opening.paths[0]}` : `${origin} ${opening.paths.join(" ")}`,
  )
  const socket = opening.websocketOnly ? " as a WebSocket" : ""
  return {
    what: `${opening.methods.join(", ")} ${places.join(", ")}${socket}, ${describeQueries(opening.queries)}`,
    how: describeCause(opening, direction),
    example: opening.example && describeRequest(opening.example),
    terms: words.terms.length === 0 ? null : words.terms.join("; "),
    why: words.why,
    owner: `${words.owner}; ${words.expiry}`,
    rule: `${words.id} at ${words.place}`,
  }
}

function describeQueries(queries: Opening["queries"]): string {
  if (queries.includes("any") && queries.includes("none")) return "with any query or none"
  return queries.map(describeQuery).join(" or ")
}

function describeCause({ cause, grant, other, day }: Opening, direction: Direction): string {
  const opens = direction === "opens"
  const limit = (what: string, was: number | null | undefined, now: number | null, none: string) => {
    const [from, to] = opens ? [was ?? null, now] : [now, was ?? null]
    const say = (bytes: number | null) => (bytes === null ? none : describeBytes(bytes))
    return `${what} ${say(from)}, ${opens ? "now" : "now only"} ${say(to)}`
  }
  switch (cause) {
    case "request":
      return opens ? "was refused" : "is refused now"
    case "later":
      return opens
        ? `would have ended: from ${day} on only the second allows it`
        : `ends: refused from ${day} on`
    case "denial":
      return opens ? "the host was closed, and is not any more" : "the host is closed now"
    case "body-check":
      return opens ? "the body was looked into, and is not any more" : "the body is looked into now"
    case "request-size":
      return limit("bodies were up to", other?.maxRequestBytes, grant.maxRequestBytes, "the gateway's cap")
    case "budget":
      return limit("one run might send", other?.budgetBytes, grant.budgetBytes, "the machine's own budget")
    case "undecided":
      return "too many patterns meet here to tell: what is not known to be closed counts as open"
    default:
      return cause satisfies never
  }
}

function describeRequest({ method, scheme, host, port, path, query, websocket }: EgressRequest): string {
  const usual = port === (scheme === "https" ? 443 : 80)
  const origin = `${scheme}://${host}${usual ? "" : `:${port}`}`
  return `${method} ${origin}${path}${query === null ? "" : `?${query}`}${websocket ? " as a WebSocket" : ""}`
}

export function describeChange({ kind, subject, place, before, after }: RuleChange): string {
  const at = place === "" ? "" : ` (${place})`
  switch (kind) {
    case "redundant":
      return `${subject}${at} is new and allows nothing that was not allowed`
    case "superseded":
      return `${subject}${at} is gone, and other rules still allow what it allowed`
    case "denial":
      return `${subject}${at}: ${before === null ? `new: ${after}` : `gone: ${before}`}`
    default:
      return `${kind === "sets" ? subject : `${kind} of ${subject}`}${at}: ${before} → ${after}`
  }
}
