/** The guest agent: the host's hand in the guest. No top-level await, so that it can be bundled as CommonJS. */

import { reasonOf } from "../../contract/fault.ts"
import { runAgent } from "./agent.ts"

const log = (line: string): void => {
  process.stderr.write(`stereo-agent: ${line}\n`)
}

/** systemd's OpenFile= gives descriptors from 3 on, and their names in the same order (sd_listen_fds(3)). */
const names = (process.env["LISTEN_FDNAMES"] ?? "").split(":").filter((name) => name !== "")
const openFiles = new Map(names.map((name, index) => [name, 3 + index]))

runAgent({ nowMs: Date.now, log, openFiles, signal: new AbortController().signal }).catch((thrown) => {
  log(reasonOf(thrown))
  // an orderly exit would wait for the threads that read the ports, for ever; systemd starts it anew
  process.kill(process.pid, "SIGKILL")
})
