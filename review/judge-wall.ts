/** The prover's word on a packet filter, as a comparison tells it. Pure. */

import { Fault } from "../contract/fault.ts"
import type { WallVerdict } from "./egress-diff.ts"
import { proveWall } from "./verify-wall.ts"

/** Of a kernel's listing as JSON text. What cannot be understood is not proven, never safe. */
export function judgeWall(listing: string): WallVerdict {
  try {
    const { verdict, breaches, notProven } = proveWall(JSON.parse(listing))
    const lines = [
      ...breaches.map(({ claim, packet }) => `${claim}: ${packet}`),
      ...notProven.map(({ where, what }) => `not proven, ${where}: ${what}`),
    ]
    return { proven: verdict === "proven", lines }
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    return { proven: false, lines: [`not proven: ${thrown.message}`] }
  }
}
