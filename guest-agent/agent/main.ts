/** The guest agent, as root: the host's hand in the guest. */

import { reasonOf } from "../../contract/fault.ts"
import { runAgent } from "./agent.ts"

const stopped = new AbortController()
process.once("SIGTERM", () => {
  stopped.abort()
  // reads that wait for the host cannot be cancelled
  process.exit(0)
})

try {
  await runAgent({
    nowMs: Date.now,
    log: (line) => process.stderr.write(`stereo-agent: ${line}\n`),
    signal: stopped.signal,
  })
} catch (thrown) {
  process.stderr.write(`stereo-agent: ${reasonOf(thrown)}\n`)
  process.exitCode = 1
}
