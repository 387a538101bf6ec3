/** How fast one machine's calls begin: a burst at once, then a rate; a queue that grows too long is refused. */

import type { CallLimits } from "./call-limits.ts"
import type { Refusal } from "./exchange.ts"
import { openPace } from "./pace.ts"

/** Resolves when the call may begin, or with why it may not. */
export type RequestRate = () => Promise<Refusal | null>

export function openRequestRate(
  { burst, perSecond, maxWaiting }: CallLimits["requests"],
  now: () => number,
  ended: AbortSignal,
): RequestRate {
  const pace = openPace({ burst, perSecond }, now, ended)
  let waiting = 0
  return async () => {
    if (waiting >= maxWaiting) {
      const reason = `${waiting} calls of this machine wait already; it may begin ${perSecond} in a second`
      return { status: 429, rule: "egress/rate", reason, hint: "ask for less at once, and try again" }
    }
    waiting += 1
    try {
      await pace(1)
      return null
    } finally {
      waiting -= 1
    }
  }
}
