/** Bounds what one machine may write into the service's log: its guest can cause lines as fast as it likes. */

import type { Log } from "./exchange.ts"

const WINDOW_MS = 10_000
const MAX_LINES = 50

/** Lines over the bound are counted, and the count is told with the next line that passes. */
export function limitLog(log: Log, now: () => number): Log {
  let startedAtMs = 0
  let lines = 0
  return (line) => {
    const atMs = now()
    if (atMs - startedAtMs > WINDOW_MS) {
      if (lines > MAX_LINES) log(`${lines - MAX_LINES} lines left out`)
      startedAtMs = atMs
      lines = 0
    }
    lines += 1
    if (lines <= MAX_LINES) log(line)
  }
}
