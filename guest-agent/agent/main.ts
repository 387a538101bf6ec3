/** The guest agent, as root: the host's hand in the guest. No top-level await, so that it can be bundled as CommonJS. */

import { reasonOf } from "../../contract/fault.ts"
import { runAgent } from "./agent.ts"

const log = (line: string): void => {
  process.stderr.write(`stereo-agent: ${line}\n`)
}

runAgent({ nowMs: Date.now, log, signal: new AbortController().signal }).catch((thrown) => {
  log(reasonOf(thrown))
  // an orderly exit would wait for the threads that read the ports, for ever; systemd starts it anew
  process.kill(process.pid, "SIGKILL")
})
