/** The only place of trust/ that starts a process: the command that signs, with bytes in and bytes out. */

import { spawn } from "node:child_process"

export interface CommandOutcome {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: Buffer
  /** Its last 2000 characters. */
  readonly stderr: string
  /** Why it was killed, if it was. */
  readonly killed: "time" | "output" | null
}

/** More than any signature has. */
const MAX_OUTPUT_BYTES = 65_536

/**
 * Runs a line of a shell in a process group of its own, which is killed as a whole when the time is over or
 * the build is given up. Rejects only if it cannot be started or is aborted.
 */
export function runShell(
  line: string,
  input: Buffer,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<CommandOutcome> {
  limits.signal.throwIfAborted()
  const child = spawn("/bin/sh", ["-c", line], { detached: true, stdio: ["pipe", "pipe", "pipe"] })
  let killed: CommandOutcome["killed"] = null
  const kill = (why: CommandOutcome["killed"]) => {
    killed = why
    killGroup(child.pid)
  }
  const timer = setTimeout(() => kill("time"), limits.timeoutMs)
  const abort = () => killGroup(child.pid)
  limits.signal.addEventListener("abort", abort, { once: true })
  const stdout: Buffer[] = []
  let stderr = ""
  child.stdout.on("data", (chunk: Buffer) => {
    stdout.push(chunk)
    if (stdout.reduce((sum, { length }) => sum + length, 0) > MAX_OUTPUT_BYTES) kill("output")
  })
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2000)
  })
  // a command that does not read to the end is judged by what it says, not by this
  child.stdin.on("error", () => undefined)
  child.stdin.end(input)
  return new Promise<CommandOutcome>((settle, reject) => {
    child.once("error", reject)
    child.once("close", (code, signal) => {
      // what it left behind in its group goes with it
      killGroup(child.pid)
      if (limits.signal.aborted) reject(limits.signal.reason)
      else settle({ code, signal, stdout: Buffer.concat(stdout), stderr, killed })
    })
  }).finally(() => {
    clearTimeout(timer)
    limits.signal.removeEventListener("abort", abort)
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, "SIGKILL")
  } catch (thrown) {
    // it has ended by itself
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) throw thrown
  }
}
