/** The one place of the guest agent that starts processes. */

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process"
import { Fault } from "../../contract/fault.ts"

export interface Finished {
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a short program to its end. Anything but exit code 0 inside the deadline is a Fault. */
export async function runProgram(command: readonly string[], deadlineMs = 10_000): Promise<Finished> {
  const child = startProgram(command, ["ignore", "pipe", "pipe"])
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  try {
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (...end) => resolve(end))
    })
    const finished = { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }
    if (code === 0) return finished
    throw new Fault(
      "agent/program-failed",
      `${command.join(" ")}: ${signal ?? `exit code ${code}`}: ${finished.stderr.trim()}`,
    )
  } finally {
    clearTimeout(timer)
  }
}

/** Starts a program that the caller ends. */
export function startProgram(command: readonly string[], stdio: StdioOptions): ChildProcess {
  const [file, ...argv] = command
  if (file === undefined) throw new RangeError("a command has at least a program")
  return spawn(file, argv, { stdio, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } })
}

function collect(stream: NodeJS.ReadableStream | null): Buffer[] {
  const chunks: Buffer[] = []
  stream?.on("data", (chunk: Buffer) => chunks.push(chunk))
  return chunks
}
