/** The spine of a call: guest → policy → provider → archive → cost. Read it top to bottom. */

import { Fault, reasonOf } from "../contract/fault.ts"
import { newIdentifier } from "../contract/identifier.ts"
import type { OpenExchange } from "./archive/open-archive.ts"
import type { Gateway, GatewayMachine } from "./call.ts"
import { type GuestStream, renderRefusal } from "./guest/guest-stream.ts"
import { limitTime } from "./limit-time.ts"
import { planCall } from "./plan-call.ts"
import { refuseCall } from "./refuse-call.ts"
import { relayAnswer } from "./relay.ts"
import { relayWebSocket } from "./relay-websocket.ts"

/** Carries one call of one machine to its end; whatever happens, it ends as a row of the archive. */
export async function carryCall(
  gateway: Gateway,
  machine: GatewayMachine,
  guest: GuestStream,
): Promise<void> {
  const startedAtMs = gateway.now()
  const id = newIdentifier(startedAtMs)
  const planned = await planCall(gateway, machine, guest)
  if ("tunnel" in planned) return guest.respond(200, [], { endStream: true })
  if ("refusal" in planned) {
    if (!(await machine.refusals(1))) return refuseUnrecorded(guest)
    const exchange = await beginOrRefuse(gateway, machine, guest, { id, startedAtMs })
    if (exchange) await gateway.settle(await refuseCall(gateway, guest, exchange, planned.refusal))
    return
  }
  const { request, rule } = planned
  const [carry, limitMs] = request.websocket
    ? ([relayWebSocket, gateway.limits.websocketMs + 60_000] as const)
    : ([relayAnswer, gateway.limits.exchangeMs] as const)
  using _clock = limitTime(guest, limitMs)
  // from here on: whatever tightens the policy finds it, even before a byte has left
  const leave = machine.calls.add({ request, rule, cut: (reason) => guest.cut(reason) })
  try {
    const exchange = await beginOrRefuse(gateway, machine, guest, { id, startedAtMs })
    if (!exchange) return
    // what closed the machine or its policy while the call was planned did not find it in the list of calls
    const late = machine.gate() ?? machine.refuses({ request, rule })
    const row = late
      ? await refuseCall(gateway, guest, exchange, late)
      : await carry({ gateway, machine, guest, exchange, route: planned })
    await gateway.settle(row)
  } finally {
    leave()
  }
}

/** Each refusal is a row, and a guest that leaves before it is written must not leave ever more of them behind. */
function refuseUnrecorded(guest: GuestStream): void {
  const rule = "egress/flood"
  const reason =
    "too many refusals of this machine wait to be recorded, so that this request is not even read"
  const hint = "ask for less at once, and try again"
  guest.refuse(429, rule, renderRefusal({ status: 429, rule, reason, hint }, "none"))
}

async function beginOrRefuse(
  gateway: Gateway,
  machine: GatewayMachine,
  guest: GuestStream,
  opening: { readonly id: string; readonly startedAtMs: number },
): Promise<OpenExchange | null> {
  try {
    return await gateway.archive.begin({ ...opening, caller: machine.caller, head: guest.read.head })
  } catch (thrown) {
    gateway.log(`archive: ${reasonOf(thrown)}`)
    const rule = thrown instanceof Fault ? thrown.code : "archive/unavailable"
    const reason = "the host cannot record this call, so it is not made"
    const hint = "look at the host service's log: the disk may be full"
    guest.refuse(503, rule, renderRefusal({ status: 503, rule, reason, hint }, opening.id))
    return null
  }
}
