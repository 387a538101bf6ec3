/** Starts QEMU in its sandbox and learns the real process id; `machine/sandbox-failed` if it never came to be. */

import { readFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
import { z } from "zod"
import { Fault } from "../../contract/fault.ts"
import type { ProcessRef } from "../../contract/machine-record.ts"
import { readProcessRef } from "../process-ref.ts"
import { type Command, startDetached } from "../run.ts"

export interface QemuProcess {
  readonly process: ProcessRef
  /** Settles with how it ended; null code when a signal ended it. Never rejects. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

const sandboxInfo = z.object({ "child-pid": z.int().positive() })

/** `command` is bubblewrap with `--info-fd 3`; what it and QEMU print goes to `logFile`. */
export async function startQemu(command: Command, logFile: string): Promise<QemuProcess> {
  const started = await startDetached(command, logFile).catch((thrown: unknown) => {
    throw new Fault("machine/no-bubblewrap", "the program bwrap could not be started", {
      hint: "install it with `apt-get install bubblewrap`; `stereo doctor` shows what else is missing",
      cause: thrown,
    })
  })
  const pid = parseChildPid(await text(started.info))
  const process = pid === null ? null : readProcessRef(pid)
  if (process !== null) return { process, ended: started.ended }
  const { code, signal } = await started.ended
  throw new Fault(
    "machine/sandbox-failed",
    `the sandbox ended with ${signal ?? `code ${code}`} before QEMU ran:\n${await readTail(logFile)}`,
    { hint: "`stereo doctor` shows whether this host lets bubblewrap make user namespaces" },
  )
}

function parseChildPid(info: string): number | null {
  if (!info.trim().endsWith("}")) return null
  const parsed = sandboxInfo.safeParse(JSON.parse(info))
  return parsed.success ? parsed.data["child-pid"] : null
}

async function readTail(logFile: string): Promise<string> {
  return (await readFile(logFile, "utf8")).trimEnd().split("\n").slice(-8).join("\n")
}
