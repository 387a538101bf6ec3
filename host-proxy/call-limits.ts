/** What one machine may have at most: requests in a second, and time for each part of a call. */

export interface CallLimits {
  /** From a call's beginning to its end, WebSockets apart. */
  readonly exchangeMs: number
  /** For a request's body. */
  readonly uploadMs: number
  readonly websocketMs: number
  /** Without any frame in either direction. */
  readonly websocketIdleMs: number
  /** Calls of one machine: so many at once, then a rate; more wait, and more than so many waiting are refused. */
  readonly requests: { readonly burst: number; readonly perSecond: number; readonly maxWaiting: number }
}

const MINUTE_MS = 60_000

export const DEFAULT_LIMITS: CallLimits = {
  exchangeMs: 120 * MINUTE_MS,
  uploadMs: 30 * MINUTE_MS,
  websocketMs: 12 * 60 * MINUTE_MS,
  websocketIdleMs: 10 * MINUTE_MS,
  requests: { burst: 400, perSecond: 100, maxWaiting: 300 },
}
