/** The one place where the machine's side starts processes: bounded ones that end, and detached ones that stay. */

import { execFile, spawn } from "node:child_process"
import { closeSync, openSync, writeSync } from "node:fs"
import type { Readable } from "node:stream"
import { quoteWords } from "../contract/quote-words.ts"

/** A program with its arguments; it gets no environment but what bubblewrap sets inside. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

export interface CommandEnd {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
  /** Standard output and standard error, at most 1 MiB each. */
  readonly output: string
  /** The deadline passed, and the process was killed. */
  readonly timedOut: boolean
}

export interface DetachedProcess {
  readonly pid: number
  /** What the program writes to its file descriptor 3. */
  readonly info: Readable
  /** Settles when the process ends; never rejects. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

const ENVIRONMENT = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C" }

/** Runs a command to its end or its deadline. Rejects only if it cannot be started or is aborted. */
export function runToEnd(command: Command, timeoutMs: number, signal?: AbortSignal): Promise<CommandEnd> {
  return new Promise((settle, reject) => {
    const options = { timeout: timeoutMs, killSignal: "SIGKILL", env: ENVIRONMENT, signal } as const
    const child = execFile(command.file, [...command.args], options, (error, stdout, stderr) => {
      if (signal?.aborted) reject(signal.reason)
      else if (error && child.pid === undefined) reject(error)
      else
        settle({
          code: child.exitCode,
          signal: child.signalCode,
          output: stdout + stderr,
          timedOut: error?.killed === true,
        })
    })
    child.stdin?.end()
  })
}

/** Starts a process in a session of its own that outlives this one; the log has its command line first, then what it prints. */
export function startDetached(command: Command, logFile: string): Promise<DetachedProcess> {
  const log = openSync(logFile, "a", 0o600)
  writeSync(log, `+ ${quoteWords([command.file, ...command.args])}\n`)
  const child = spawn(command.file, [...command.args], {
    detached: true,
    env: ENVIRONMENT,
    stdio: ["ignore", log, log, "pipe"],
  })
  closeSync(log)
  child.unref()
  const ended = new Promise<{ code: number | null; signal: string | null }>((settle) => {
    child.once("exit", (code, signal) => settle({ code, signal }))
  })
  return new Promise((settle, reject) => {
    child.once("error", reject)
    child.once("spawn", () => {
      // asked for as a pipe above, so it is a readable stream
      const info = child.stdio[3] as Readable
      settle({ pid: child.pid ?? 0, info, ended })
    })
  })
}
