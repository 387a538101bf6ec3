/** How much of a transfer is done, and how fast, as a line to show. */

import { mebibytes } from "../../contract/mebibytes.ts"

export interface TransferMeter {
  /** Bytes that are done; less than 0: they were not, after all. */
  add(bytes: number): void
}

/** A terminal needs no more. */
const SHOWN_EVERY_MS = 100
/** The rate is that of about the last so many milliseconds. */
const RATE_MS = 3000

/** `now`: milliseconds since 1970. */
export function openTransferMeter(
  totalBytes: number,
  note: (text: string) => void,
  now: () => number,
): TransferMeter {
  let done = 0
  let shownAtMs = 0
  let mark = { atMs: now(), bytes: 0 }
  let rate = 0
  return {
    add(bytes) {
      done += bytes
      const atMs = now()
      if (atMs - shownAtMs < SHOWN_EVERY_MS && done < totalBytes) return
      shownAtMs = atMs
      const passedMs = Math.max(1, atMs - mark.atMs)
      rate = (done - mark.bytes) / passedMs
      if (passedMs > RATE_MS) mark = { atMs, bytes: done }
      const perSecond = mebibytes(Math.max(0, rate * 1000))
      note(`${mebibytes(done)} of ${mebibytes(totalBytes)}, ${perSecond}/s`)
    },
  }
}
