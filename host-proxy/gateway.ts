/** The spine of a call: guest → policy → provider → archive → cost. Read it top to bottom. */

import { Fault, reasonOf } from "../contract/fault.ts"
import { newIdentifier } from "../contract/identifier.ts"
import type { Archive, OpenExchange } from "./archive/open-archive.ts"
import type { Gateway, GatewayMachine } from "./call.ts"
import type { Refusal } from "./exchange.ts"
import { type GuestStream, renderRefusal } from "./guest/guest-stream.ts"
import { decideConnect, decideEgress } from "./policy/decide-egress.ts"
import { normaliseAuthority, normaliseRequest } from "./policy/normalise.ts"
import { planRoute, type Route } from "./provider/route.ts"
import { refuseCall } from "./refuse-call.ts"
import { relayAnswer } from "./relay.ts"

/** Carries one call of one machine to its end; whatever happens, it ends as a row of the archive. */
export async function carryCall(
  gateway: Gateway,
  machine: GatewayMachine,
  guest: GuestStream,
): Promise<void> {
  const startedAtMs = gateway.now()
  const id = newIdentifier(startedAtMs)
  const { head } = guest.read
  if (head.method === "CONNECT" && allowsConnect(guest, machine)) {
    return guest.respond(200, [], { endStream: true })
  }
  const route = planCall(gateway, machine, guest)
  if ("refusal" in route) await machine.refusals(1)
  const exchange = await beginOrRefuse(gateway, guest, { id, caller: machine.caller, head, startedAtMs })
  if (!exchange) return
  const row =
    "refusal" in route
      ? await refuseCall(gateway, guest, exchange, route.refusal)
      : await relayAnswer({ gateway, machine, guest, exchange, route })
  await gateway.settle(row)
}

/** CONNECT is a question of the capture proxy: may anything at all go to that host and port? */
function allowsConnect(guest: GuestStream, machine: GatewayMachine): boolean {
  return !("refusal" in guest.read) && connectRefusal(guest, machine) === null
}

function connectRefusal(guest: GuestStream, machine: GatewayMachine): Refusal | null {
  const place = normaliseAuthority(guest.read.head.authority, 443)
  if ("refusal" in place) return place.refusal
  const verdict = decideConnect(place.host, place.port, machine.policy)
  return verdict.kind === "allow" ? null : { status: 403, ...verdict }
}

async function beginOrRefuse(
  gateway: Gateway,
  guest: GuestStream,
  opening: Parameters<Archive["begin"]>[0],
): Promise<OpenExchange | null> {
  try {
    return await gateway.archive.begin(opening)
  } catch (thrown) {
    gateway.log(`archive: ${reasonOf(thrown)}`)
    const rule = thrown instanceof Fault ? thrown.code : "archive/unavailable"
    const reason = "the host cannot record this call, so it is not made"
    const hint = "look at the host service's log: the disk may be full"
    guest.refuse(503, rule, renderRefusal({ status: 503, rule, reason, hint }, opening.id))
    return null
  }
}

type PlannedCall = (Route & { readonly rule: string }) | { readonly refusal: Refusal }

function planCall(gateway: Gateway, machine: GatewayMachine, guest: GuestStream): PlannedCall {
  if ("refusal" in guest.read) return { refusal: guest.read.refusal }
  const { head } = guest.read
  if (head.method === "CONNECT") {
    const refusal = connectRefusal(guest, machine)
    if (refusal) return { refusal }
  }
  const normal = normaliseRequest(head)
  if ("refusal" in normal) return normal
  const verdict = decideEgress(normal.request, machine.policy)
  if (verdict.kind === "refuse") return { refusal: { status: 403, ...verdict } }
  const { target, headers } = head
  const route = planRoute({ ...normal, target, headers, placeholders: machine.placeholders }, gateway.sources)
  return "refusal" in route ? route : { ...route, rule: verdict.rule }
}
