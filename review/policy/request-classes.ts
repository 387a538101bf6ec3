/** The requests between which two policies can tell, but for path, length and day: each once. Pure. */

import type { EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import { PUSH_QUERY_WORD } from "../../contract/git-push.ts"
import { matchesHost } from "../../contract/path-pattern.ts"

/** All requests of one place, method, query and kind; no grant or denial tells them apart but by path and length. */
export interface RequestClass {
  readonly scheme: EgressGrant["scheme"]
  /** A host of the class. */
  readonly host: string
  /** As a rule would write the class: the host itself, or the wildcard whose other names it stands for. */
  readonly hostPattern: string
  readonly port: number
  readonly method: string
  readonly websocket: boolean
  readonly query: string | null
  /** `any`: a query that no rule names, of any length. */
  readonly queryKind: EgressGrant["query"]
}

type Rules = Pick<Extract<EgressPolicy, { kind: "rules" }>, "grants" | "denials">

/** Of a broken policy, under which nothing leaves, these are none. */
export function rulesOf(policy: EgressPolicy): Rules {
  return policy.kind === "rules" ? policy : { grants: [], denials: [] }
}

export function listRequestClasses(left: EgressPolicy, right: EgressPolicy): readonly RequestClass[] {
  const all = [rulesOf(left), rulesOf(right)]
  const grants = all.flatMap((one) => one.grants)
  const hosts = listHosts([...grants, ...all.flatMap((one) => one.denials)].map(({ host }) => host))
  const places = unique(grants.map(({ scheme, port }) => ({ scheme, port })))
  const methods = unique(grants.flatMap((one) => one.methods))
  const queries = listQueries(grants)
  return hosts.flatMap((host) =>
    places.flatMap((place) =>
      methods.flatMap((method) =>
        [false, true].flatMap((websocket) =>
          queries.map((query) => ({ ...host, ...place, method, websocket, ...query })),
        ),
      ),
    ),
  )
}

/** Each host that is named, and for each wildcard one of the others that it matches. */
function listHosts(patterns: readonly string[]): Pick<RequestClass, "host" | "hostPattern">[] {
  const named = new Set(patterns.filter((pattern) => !pattern.startsWith("*.")))
  const wild = unique(patterns.filter((pattern) => pattern.startsWith("*.")))
  return [
    ...[...named].map((host) => ({ host, hostPattern: host })),
    ...wild.map((pattern) => ({ host: freshHost(pattern.slice(2), named), hostPattern: pattern })),
  ]
}

function freshHost(suffix: string, named: ReadonlySet<string>): string {
  let host = `other.${suffix}`
  for (let count = 2; named.has(host) || !matchesHost(`*.${suffix}`, host); count += 1)
    host = `other${count}.${suffix}`
  return host
}

/** A query that no rule names is one of these two, as far as any rule can tell. */
function listQueries(grants: readonly EgressGrant[]): Pick<RequestClass, "query" | "queryKind">[] {
  const only = unique(grants.flatMap(({ query }) => (typeof query === "string" ? [] : [query.only])))
  const fresh = (begin: string) => {
    let query = begin
    while (only.includes(query)) query += "q"
    return { query, queryKind: "any" as const }
  }
  return [
    { query: null, queryKind: "none" },
    fresh("q"),
    ...(grants.some(({ git }) => git !== null) ? [fresh(`service=git-${PUSH_QUERY_WORD}`)] : []),
    ...only.map((query) => ({ query, queryKind: { only: query } })),
  ]
}

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()]
}
