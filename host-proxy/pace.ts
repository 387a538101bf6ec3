/** Spreads what one machine may cause: a burst at once, then a rate; whoever floods waits, and nobody else. */

import { setTimeout as delay } from "node:timers/promises"

export interface PaceLimits {
  /** What may come at once. */
  readonly burst: number
  readonly perSecond: number
}

/** Resolves when it is the caller's turn; `cost` is in the limits' unit. */
export type Pace = (cost: number) => Promise<void>

/** Nobody waits any longer once `ended` aborts. */
export function openPace({ burst, perSecond }: PaceLimits, now: () => number, ended: AbortSignal): Pace {
  let dueMs = 0
  return async (cost) => {
    const nowMs = now()
    dueMs = Math.max(dueMs, nowMs - (burst / perSecond) * 1000) + (cost / perSecond) * 1000
    if (dueMs <= nowMs || ended.aborted) return
    await delay(dueMs - nowMs, null, { signal: ended }).catch(() => null) // aborted: that is what it is for
  }
}
