/** How fast one machine's calls begin: a burst at once, then a rate; a queue that grows too long is refused. */

import type { CallLimits } from "./call-limits.ts"
import type { Refusal } from "./exchange.ts"
import { openPace } from "./pace.ts"

/** Resolves when the call may begin, or with why it may not. */
export type RequestRate = () => Promise<Refusal | null>

export function openRequestRate(
  limits: CallLimits["requests"],
  now: () => number,
  ended: AbortSignal,
): RequestRate {
  const pace = openPace(limits, now, ended)
  return async () => {
    if (await pace(1)) return null
    const reason = `${limits.maxWaiting} calls of this machine wait already; it may begin ${limits.perSecond} in a second`
    return { status: 429, rule: "egress/rate", reason, hint: "ask for less at once, and try again" }
  }
}
