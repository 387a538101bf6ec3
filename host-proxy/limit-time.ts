/** Ends a call that takes longer than any may. */

import type { GuestStream } from "./guest/guest-stream.ts"

/** Cuts the call at `limitMs` unless it is disposed of before. */
export function limitTime(guest: GuestStream, limitMs: number): Disposable {
  const timer = setTimeout(() => guest.cut(`the call was not over after ${limitMs / 1000} s`), limitMs)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
