/** The part of the spine that moves bytes: request up, answer down, each chunk archived before it is passed on. */

import { reasonOf } from "../contract/fault.ts"
import type { OpenExchange } from "./archive/open-archive.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { Gateway, GatewayMachine } from "./call.ts"
import type { ExchangeEnd, Outcome, Refusal } from "./exchange.ts"
import type { GuestStream } from "./guest/guest-stream.ts"
import type { PlannedRoute } from "./plan-call.ts"
import { LeakError, type LeakScan, openLeakScan } from "./provider/leak-scan.ts"
import { explainFailure, type UpstreamAnswer } from "./provider/outbound.ts"
import type { Route } from "./provider/route.ts"
import { recordUpload, refuseStatedLength, type UploadLimits, UploadRefused } from "./record-upload.ts"
import { refuseCall } from "./refuse-call.ts"

export interface Relay {
  readonly gateway: Gateway
  readonly machine: GatewayMachine
  readonly guest: GuestStream
  readonly exchange: OpenExchange
  readonly route: PlannedRoute
}

export async function relayAnswer(relay: Relay): Promise<ExchangeRow> {
  const { gateway, guest, exchange, route } = relay
  exchange.route({ rule: route.rule, provider: route.provider, api: route.api })
  const stated = refuseStatedLength(guest, route.grant?.maxRequestBytes ?? null)
  if (stated) return refuseCall(gateway, guest, exchange, stated)
  let answer: UpstreamAnswer
  try {
    const body = guest.hasBody ? recordUpload(guest, exchange, limitsOf(relay)) : null
    answer = await gateway.outbound.send(route, body, guest.signal)
  } catch (thrown) {
    if (guest.signal.aborted) return seal(relay, departure(relay), guest.cutReason)
    const refusal = thrown instanceof UploadRefused ? thrown.refusal : explainFailure(thrown, route)
    return refuseCall(gateway, guest, exchange, refusal)
  }
  try {
    // before its head is recorded: the credential may stand in there
    const scan = route.secret === null ? null : openLeakScan(route.secret, answer.headers)
    exchange.answer({ status: answer.status, headers: answer.headers, firstByteAtMs: gateway.now() })
    return await passDown(relay, answer, scan)
  } catch (thrown) {
    if (thrown instanceof BadHead) {
      answer.body.destroy()
      return refuseCall(gateway, guest, exchange, thrown.refusal)
    }
    // a guest that left is the reason for whatever else went wrong
    const gone = guest.signal.aborted
    guest.cut()
    answer.body.destroy()
    if (thrown instanceof LeakError) gateway.log(`exchange ${exchange.id}: ${thrown.message}; it was cut`)
    return await seal(
      relay,
      gone ? departure(relay) : "upstream-failed",
      gone ? guest.cutReason : reasonOf(thrown),
    )
  }
}

function limitsOf({ gateway, machine, route }: Relay): UploadLimits {
  const spender = { host: route.request.host, rule: route.rule, grant: route.grant }
  return {
    maxBytes: route.grant?.maxRequestBytes ?? null,
    uploadMs: gateway.limits.uploadMs,
    now: gateway.now,
    charge: (bytes) => machine.allowance.budget.charge(bytes, spender),
  }
}

/** Why a guest's stream is gone before its answer was whole. */
export function departure(relay: Relay): Outcome {
  const ours = relay.machine.detached.aborted || relay.guest.cutReason !== null
  return ours ? "interrupted" : "client-aborted"
}

/** Thrown before anything of the answer has gone to the guest. */
class BadHead extends Error {
  readonly refusal: Refusal

  constructor(reason: string) {
    super(reason)
    const hint = "the upstream's answer cannot be passed on; ask whoever runs it"
    this.refusal = { status: 502, rule: "upstream/bad-head", reason, hint }
  }
}

function respondOrThrow(guest: GuestStream, answer: UpstreamAnswer, endStream: boolean): void {
  try {
    guest.respond(answer.status, answer.headers, { endStream })
  } catch (thrown) {
    throw guest.signal.aborted ? thrown : new BadHead(`the answer's head is not HTTP: ${reasonOf(thrown)}`)
  }
}

/** Every chunk as it came; the last one and the end only when the record is durable. */
async function passDown(relay: Relay, answer: UpstreamAnswer, scan: LeakScan | null): Promise<ExchangeRow> {
  const { guest, exchange, route } = relay
  const expected = expectedBytes(route, answer)
  if (expected === 0) return endWithoutBody(relay, answer)
  respondOrThrow(guest, answer, false)
  let last: Buffer | undefined
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    for (const free of scan ? await scan.pass(chunk) : [chunk]) {
      exchange.response.append(free)
      // a client that counts bytes takes the last one for the end, so that one waits for the disk
      if (exchange.response.sizeBytes === expected) last = free
      else await guest.write(free)
    }
  }
  const held = Buffer.concat([...(last ? [last] : []), ...recordHeld(relay, scan?.finish() ?? [])])
  const row = await seal(relay, "complete", null)
  guest.end(held.length > 0 ? held : undefined)
  return row
}

function recordHeld(relay: Relay, held: readonly Buffer[]): readonly Buffer[] {
  for (const chunk of held) relay.exchange.response.append(chunk)
  return held
}

async function endWithoutBody(relay: Relay, answer: UpstreamAnswer): Promise<ExchangeRow> {
  for await (const _none of answer.body) {
    // an upstream that sends a body where none may be is not to be believed
    throw new Error("the upstream sent a body where none was announced")
  }
  const row = await seal(relay, "complete", null)
  respondOrThrow(relay.guest, answer, true)
  return row
}

/** How many bytes the head announces; null when only the end tells. */
function expectedBytes(route: Route, answer: UpstreamAnswer): number | null {
  if (route.method === "HEAD" || answer.status === 204 || answer.status === 304) return 0
  const length = answer.headers.find(([name]) => name === "content-length")?.[1]
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : null
}

function seal(relay: Relay, outcome: Outcome, upstreamError: string | null): Promise<ExchangeRow> {
  const end: ExchangeEnd = { outcome, upstreamError, endedAtMs: relay.gateway.now() }
  return relay.exchange.seal(end)
}
