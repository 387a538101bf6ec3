/** One `sshd -i`, its standard streams joined to a stream of the control wire. */

import { mkdirSync, writeFileSync } from "node:fs"
import type { Duplex } from "node:stream"
import { reasonOf } from "../../contract/fault.ts"
import { startProgram } from "./run.ts"
import { SSH_FILES } from "./sshd-config.ts"

/** Beside the agent's own control group, which systemd has delegated. */
const CGROUP = "/sys/fs/cgroup/system.slice/stereo-agent.service/sessions"

/** `log` is told of what could not be done for the session; the session ends with the stream, and it with sshd. */
export function startSshSession(stream: Duplex, log: (line: string) => void): void {
  const child = startProgram(
    ["/usr/sbin/sshd", "-i", "-e", "-f", SSH_FILES.config],
    ["pipe", "pipe", "inherit"],
  )
  const { pid, stdin, stdout } = child
  if (pid === undefined || !stdin || !stdout) {
    child.once("error", (error) => log(`sshd did not start: ${reasonOf(error)}`))
    stream.destroy()
    return
  }
  try {
    setApart(pid)
  } catch (thrown) {
    log(`session ${pid} stays in the agent's own control group: ${reasonOf(thrown)}`)
  }
  stdin.on("error", (error) => log(`session ${pid} takes no more: ${reasonOf(error)}`))
  stream.pipe(stdin)
  stdout.pipe(stream)
  stream.once("close", () => stdin.destroy())
  let spoken = false
  stdout.once("data", () => {
    spoken = true
  })
  child.once("close", (code, signal) => {
    if (!spoken) log(`sshd ${pid} ended with ${signal ?? code} before it said anything`)
    stream.end()
  })
}

/** The agent is spared by the out-of-memory killer and unbounded in tasks; its sessions are neither. */
function setApart(pid: number): void {
  writeFileSync(`/proc/${pid}/oom_score_adj`, "0")
  mkdirSync(CGROUP, { recursive: true })
  writeFileSync(`${CGROUP}/cgroup.procs`, String(pid))
}
