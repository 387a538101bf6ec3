/** Which grants of a policy can answer the requests of a class, in the order in which they are asked. Pure. */

import type { EgressDenial, EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import { pushesByQuery } from "../../contract/git-push.ts"
import { matchesGrantedHost, matchesHost } from "../../contract/path-pattern.ts"
import { type RequestClass, rulesOf } from "./request-classes.ts"

export interface FittingGrants {
  /** The first of them whose path, length and day fit too answers, unless the host is closed. */
  readonly grants: readonly EgressGrant[]
  /** What closes the host. */
  readonly denial: EgressDenial | null
  /** A `git = "read"` rule holds the host: of a request that pushes by its path only its grants count. */
  readonly readOnly: boolean
}

export function fitGrants(policy: EgressPolicy, asked: RequestClass): FittingGrants {
  const rules = rulesOf(policy)
  const denial = rules.denials.find((one) => matchesHost(one.host, asked.host)) ?? null
  // one that has expired holds it, too: time opens nothing
  const readOnly = rules.grants.some((grant) => grant.git !== null && grant.host === asked.host)
  const fitting = rules.grants.filter((grant) => fits(grant, asked))
  const onlyGit = readOnly && mayWrite(asked)
  return { denial, readOnly, grants: onlyGit ? fitting.filter(({ git }) => git !== null) : fitting }
}

function mayWrite({ method, websocket, query }: RequestClass): boolean {
  return !["GET", "HEAD"].includes(method) || websocket || pushesByQuery(query)
}

function fits(grant: EgressGrant, asked: RequestClass): boolean {
  return (
    grant.scheme === asked.scheme &&
    grant.port === asked.port &&
    matchesGrantedHost(grant.host, asked.host) &&
    grant.methods.includes(asked.method) &&
    (!asked.websocket || grant.websocket) &&
    allowsQuery(grant.query, asked.query)
  )
}

function allowsQuery(allowed: EgressGrant["query"], query: string | null): boolean {
  if (allowed === "any") return true
  return allowed === "none" ? query === null : query === allowed.only
}
