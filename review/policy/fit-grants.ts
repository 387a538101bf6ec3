/** Which grants of a policy can answer the requests of a class, in the order in which they are asked. Pure. */

import type { EgressDenial, EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import { matchesHost } from "../../contract/path-pattern.ts"
import { type RequestClass, rulesOf } from "./request-classes.ts"

export interface FittingGrants {
  /** The first of them whose path, length and day fit too answers, unless the host is closed. */
  readonly grants: readonly EgressGrant[]
  /** What closes the host. */
  readonly denial: EgressDenial | null
}

export function fitGrants(policy: EgressPolicy, asked: RequestClass): FittingGrants {
  const rules = rulesOf(policy)
  const denial = rules.denials.find((one) => matchesHost(one.host, asked.host)) ?? null
  return { denial, grants: rules.grants.filter((grant) => fits(grant, asked)) }
}

function fits(grant: EgressGrant, asked: RequestClass): boolean {
  return (
    grant.scheme === asked.scheme &&
    grant.port === asked.port &&
    matchesHost(grant.host, asked.host) &&
    grant.methods.includes(asked.method) &&
    (!asked.websocket || grant.websocket) &&
    allowsQuery(grant.query, asked.query)
  )
}

function allowsQuery(allowed: EgressGrant["query"], query: string | null): boolean {
  if (allowed === "any") return true
  return allowed === "none" ? query === null : query === allowed.only
}
