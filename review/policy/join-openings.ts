/** Puts what opens by one grant for one cause together, so that a reviewer reads it once. Pure. */

import type { EgressGrant } from "../../contract/egress-grant.ts"
import type { EgressRequest } from "../../contract/verdict.ts"
import type { Opening, OpeningCause } from "../policy-diff.ts"
import type { RequestClass } from "./request-classes.ts"

/** Some requests of one class that open. */
export interface OpenRequests {
  readonly cause: OpeningCause
  readonly asked: RequestClass
  readonly grant: EgressGrant
  readonly other: EgressGrant | null
  readonly day: string
  readonly paths: readonly string[]
  readonly example: EgressRequest | null
}

export function joinOpenings(found: readonly OpenRequests[]): readonly Opening[] {
  const groups = new Map<EgressGrant, Map<string, OpenRequests[]>>()
  for (const one of found) {
    const ofGrant = groups.get(one.grant) ?? new Map<string, OpenRequests[]>()
    groups.set(one.grant, ofGrant)
    const key = JSON.stringify([one.cause, one.day, limitsOf(one)])
    ofGrant.set(key, [...(ofGrant.get(key) ?? []), one])
  }
  return [...groups.values()].flatMap((ofGrant) => [...ofGrant.values()].flatMap(join))
}

/** What of the other grant is named in the opening's words. */
function limitsOf({ cause, other }: OpenRequests): unknown {
  if (cause === "body-check") return other?.bodyCheck
  if (cause === "request-size") return other?.maxRequestBytes
  return cause === "budget" ? other?.budgetBytes : null
}

/** A WebSocket is named apart only where the same request without it does not open. */
function join(group: readonly OpenRequests[]): Opening[] {
  const plain = group.filter(({ asked }) => !asked.websocket)
  const known = new Set(plain.map(keyOf))
  const sockets = group.filter((one) => one.asked.websocket && !known.has(keyOf(one)))
  return [describe(plain, false), describe(sockets, true)].filter((one) => one !== null)
}

function keyOf({ asked, paths }: OpenRequests): string {
  return JSON.stringify([asked.method, asked.hostPattern, asked.queryKind, paths])
}

function describe(group: readonly OpenRequests[], websocketOnly: boolean): Opening | null {
  const first = group[0]
  if (!first) return null
  const { cause, grant, other, day } = first
  const classes = group.map(({ asked }) => asked)
  const paths = new Set(group.flatMap((one) => one.paths))
  const queries = new Map(classes.map(({ queryKind }) => [JSON.stringify(queryKind), queryKind]))
  return {
    ...{ cause, grant, other, day, websocketOnly },
    methods: grant.methods.filter((method) => classes.some((asked) => asked.method === method)),
    hosts: [...new Set(classes.map(({ hostPattern }) => hostPattern))],
    paths: grant.paths.filter((path) => paths.has(path)),
    queries: [...queries.values()],
    example: group.find((one) => one.example !== null)?.example ?? null,
  }
}
