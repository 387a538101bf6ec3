/** The guest agent, as root: the host's hand in the guest. No top-level await, so that it can be bundled as CommonJS. */

import { reasonOf } from "../../contract/fault.ts"
import { runAgent } from "./agent.ts"

const stopped = new AbortController()
process.once("SIGTERM", () => {
  stopped.abort()
  // reads that wait for the host cannot be cancelled
  process.exit(0)
})

const log = (line: string): void => {
  process.stderr.write(`stereo-agent: ${line}\n`)
}

runAgent({ nowMs: Date.now, log, signal: stopped.signal }).catch((thrown) => {
  log(reasonOf(thrown))
  // systemd starts it anew; threads that wait in a read would keep this process
  process.exit(1)
})
