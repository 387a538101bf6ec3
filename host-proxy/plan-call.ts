/** What is to become of a call, before anything of it is recorded or sent: where it goes, or why it does not. */

import type { BodyCheck, EgressGrant } from "../contract/egress-grant.ts"
import type { EgressRequest } from "../contract/verdict.ts"
import type { Gateway, GatewayMachine } from "./call.ts"
import { decideOrAsk, isAskable } from "./decide-or-ask.ts"
import type { Refusal } from "./exchange.ts"
import type { GuestStream } from "./guest/guest-stream.ts"
import { MAX_CHECKED_BYTES, refuseByBody } from "./policy/check-body.ts"
import { decideConnect, decideEgress } from "./policy/decide-egress.ts"
import { normaliseAuthority, normaliseRequest } from "./policy/normalise.ts"
import { planRoute, type Route } from "./provider/route.ts"

/** A call that may leave. */
export interface PlannedRoute extends Route {
  readonly rule: string
  readonly request: EgressRequest
  /** What let it out; a person who allowed this one call made one for it alone. */
  readonly grant: EgressGrant | null
}

export type PlannedCall = PlannedRoute | { readonly refusal: Refusal } | { readonly tunnel: true }

export async function planCall(
  gateway: Gateway,
  machine: GatewayMachine,
  guest: GuestStream,
): Promise<PlannedCall> {
  if ("refusal" in guest.read) return { refusal: guest.read.refusal }
  const flooded = await machine.allowance.admit()
  if (flooded) return { refusal: flooded }
  await machine.settled()
  const closed = machine.gate()
  if (closed) return { refusal: closed }
  const { head } = guest.read
  const today = () => new Date(gateway.now()).toISOString().slice(0, 10)
  if (head.method === "CONNECT") return planTunnel(machine, head.authority, today())
  const normal = normaliseRequest(head)
  if ("refusal" in normal) return normal
  const asked = { request: normal.request, process: head.claims.process, hasBody: guest.hasBody }
  let verdict = await decideOrAsk(machine, asked, guest.signal, today)
  if (verdict.kind === "allow" && verdict.grant?.bodyCheck) {
    const wrong = await refuseByBodyOf(guest, verdict.grant, verdict.grant.bodyCheck)
    if (wrong) return { refusal: wrong }
    // while the body came, the policy may have tightened
    verdict = decideEgress(normal.request, machine.policy(), today())
  }
  if (verdict.kind === "refuse") return { refusal: { status: 403, ...verdict } }
  const { target, headers } = head
  const route = planRoute({ ...normal, target, headers, placeholders: machine.placeholders }, gateway.sources)
  if ("refusal" in route) return route
  const { rule, grant } = verdict
  const over = machine.allowance.begin(head, { host: normal.request.host, rule, grant })
  return over ? { refusal: over } : { ...route, rule, grant, request: normal.request }
}

async function refuseByBodyOf(
  guest: GuestStream,
  grant: EgressGrant,
  check: BodyCheck,
): Promise<Refusal | null> {
  const maxBytes = Math.min(MAX_CHECKED_BYTES, grant.maxRequestBytes ?? MAX_CHECKED_BYTES)
  const body = guest.hasBody ? await guest.readAhead(maxBytes) : null
  return refuseByBody(check, guest.read.head.headers, body)
}

/**
 * CONNECT is a question of the capture proxy: may anything at all go to that host and port? While a person answers,
 * yes: nothing leaves by it, and the request that follows shows method and path to whoever is asked.
 */
function planTunnel(machine: GatewayMachine, authority: string, today: string): PlannedCall {
  const place = normaliseAuthority(authority, 443)
  if ("refusal" in place) return place
  const verdict = decideConnect(place.host, place.port, machine.policy(), today)
  if (isAskable(verdict) && machine.isAsking()) return { tunnel: true }
  return verdict.kind === "allow" ? { tunnel: true } : { refusal: { status: 403, ...verdict } }
}
