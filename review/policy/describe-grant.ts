/** One grant in the words that every report uses. Pure. */

import type { EgressDenial, EgressGrant } from "../../contract/egress-grant.ts"
import { describeBytes, describeQuery } from "./describe-limits.ts"

export interface GrantWords {
  readonly id: string
  /** `FILE:LINE`. */
  readonly place: string
  /** For example `https://api.example.com`, with its port where it is not the usual one. */
  readonly origin: string
  readonly methods: string
  readonly paths: readonly string[]
  readonly query: string
  /** WebSocket, git, body checks, limits. */
  readonly terms: readonly string[]
  readonly why: string
  readonly owner: string
  readonly expiry: string
  readonly state: "in force" | "expires soon" | "expired"
}

/** An expiry within so many days is pointed out. */
const SOON_DAYS = 30

/** `today` is the day in UTC, YYYY-MM-DD. */
export function describeGrant(grant: EgressGrant, today: string): GrantWords {
  const state = stateOf(grant, today)
  return {
    ...{ id: grant.id, why: grant.why, owner: grant.owner, paths: grant.paths, state },
    place: describePlace(grant),
    origin: describeOrigin(grant),
    methods: grant.methods.join(", "),
    query: describeQuery(grant.query),
    terms: describeTerms(grant),
    expiry: describeExpiry(grant.expires, state),
  }
}

export function describePlace({ source }: EgressGrant | EgressDenial): string {
  return source.line > 0 ? `${source.file}:${source.line}` : source.file
}

function describeOrigin({ scheme, host, port }: EgressGrant): string {
  const usual = port === (scheme === "https" ? 443 : 80)
  return `${scheme}://${host}${usual ? "" : `:${port}`}`
}

function describeTerms(grant: EgressGrant): string[] {
  const { websocket, git, bodyCheck, maxPathBytes, maxRequestBytes, budgetBytes } = grant
  return [
    ...(websocket ? ["also as a WebSocket"] : []),
    ...(git === null ? [] : ['of a rule with git = "read": the host is read only, whatever other rules say']),
    ...(bodyCheck === null ? [] : ["only if the body asks for downloads of large files"]),
    ...(maxPathBytes === null ? [] : [`path and query up to ${maxPathBytes} bytes`]),
    ...(maxRequestBytes === null ? [] : [describeBodies(maxRequestBytes)]),
    ...(budgetBytes === null ? [] : [`up to ${describeBytes(budgetBytes)} in one run of the machine`]),
  ]
}

function describeBodies(maxBytes: number): string {
  return maxBytes === 0 ? "no bodies" : `bodies up to ${describeBytes(maxBytes)}`
}

function stateOf({ expires }: EgressGrant, today: string): GrantWords["state"] {
  if (expires === null) return "in force"
  if (expires < today) return "expired"
  const days = (Date.parse(expires) - Date.parse(today)) / 86_400_000
  return days <= SOON_DAYS ? "expires soon" : "in force"
}

function describeExpiry(expires: string | null, state: GrantWords["state"]): string {
  if (expires === null) return "no expiry"
  if (state === "expired") return `expired after ${expires}: it allows nothing any more`
  return state === "expires soon" ? `until ${expires}, soon` : `until ${expires}`
}
