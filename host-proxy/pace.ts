/** Spreads what one machine may cause: a burst at once, then a rate; whoever floods waits, and nobody else. */

import { setTimeout as delay } from "node:timers/promises"

export interface PaceLimits {
  /** What may come at once. */
  readonly burst: number
  readonly perSecond: number
  /** How many may wait; absent: as many as come. */
  readonly maxWaiting?: number
}

/** Resolves when it is the caller's turn, or at once with false when too many wait; `cost` is in the limits' unit. */
export type Pace = (cost: number) => Promise<boolean>

/** Nobody waits any longer once `ended` aborts. */
export function openPace(limits: PaceLimits, now: () => number, ended: AbortSignal): Pace {
  const { burst, perSecond, maxWaiting = Number.POSITIVE_INFINITY } = limits
  let dueMs = 0
  let waiting = 0
  return async (cost) => {
    if (waiting >= maxWaiting) return false
    const nowMs = now()
    dueMs = Math.max(dueMs, nowMs - (burst / perSecond) * 1000) + (cost / perSecond) * 1000
    if (dueMs <= nowMs || ended.aborted) return true
    waiting += 1
    await delay(dueMs - nowMs, null, { signal: ended }).catch(() => null) // aborted: that is what it is for
    waiting -= 1
    return true
  }
}
