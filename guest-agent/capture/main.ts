/**
 * The capture proxy, under its own uid: the only program of the guest that the packet filter lets out.
 * No top-level await, so that it can be bundled as CommonJS.
 */

import { reasonOf } from "../../contract/fault.ts"
import { runCapture } from "./capture.ts"

const stopped = new AbortController()
process.once("SIGTERM", () => process.exit(0))

const log = (line: string): void => {
  process.stderr.write(`stereo-capture: ${line}\n`)
}

runCapture({ nowMs: Date.now, log, signal: stopped.signal }).catch((thrown) => {
  log(reasonOf(thrown))
  // what listens already would answer for a proxy that is not whole
  process.exit(1)
})
