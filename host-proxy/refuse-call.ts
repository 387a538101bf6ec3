/** How a call ends that does not leave: refused by policy, or given up because its upstream failed. */

import type { OpenExchange } from "./archive/open-archive.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { Gateway } from "./call.ts"
import type { Refusal } from "./exchange.ts"
import { type GuestStream, renderRefusal } from "./guest/guest-stream.ts"

/** Answers with stereo's own refusal, which is durable first. */
export async function refuseCall(
  gateway: Gateway,
  guest: GuestStream,
  exchange: OpenExchange,
  refusal: Refusal,
): Promise<ExchangeRow> {
  const body = renderRefusal(refusal, exchange.id)
  exchange.route({ rule: refusal.rule, reason: refusal.reason })
  exchange.answer({ status: refusal.status, headers: [], firstByteAtMs: gateway.now() })
  exchange.response.append(body)
  const failed = refusal.rule.startsWith("upstream/")
  const row = await exchange.seal({
    outcome: failed ? "upstream-failed" : "refused",
    upstreamError: failed ? refusal.reason : null,
    endedAtMs: gateway.now(),
  })
  guest.refuse(refusal.status, refusal.rule, body)
  return row
}
