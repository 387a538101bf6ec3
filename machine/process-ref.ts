/** Processes by id and start time, so that a reused id is never taken for the process that was meant. */

import { readFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { Fault } from "../contract/fault.ts"
import type { ProcessRef } from "../contract/machine-record.ts"

/** The living process with this id; null if there is none (a zombie is none). */
export function readProcessRef(pid: number): ProcessRef | null {
  const stat = readStat(pid)
  if (stat === null) return null
  // the second field may hold blanks and brackets; the third follows its last bracket
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const startTicks = fields[19]
  return fields[0] === "Z" || fields[0] === "X" || startTicks === undefined ? null : { pid, startTicks }
}

export function isAlive(ref: ProcessRef): boolean {
  return readProcessRef(ref.pid)?.startTicks === ref.startTicks
}

/** The kernel frees the guest's memory first, and lets go of a disk that is busy. */
const GONE_MS = 30_000
const LOOK_MS = 20

/** Sends SIGKILL to exactly this process, and waits until it is gone. */
export async function killProcess(ref: ProcessRef): Promise<void> {
  if (isAlive(ref)) sendKill(ref.pid)
  for (let waitedMs = 0; waitedMs < GONE_MS && isAlive(ref); waitedMs += LOOK_MS) await delay(LOOK_MS)
  if (isAlive(ref))
    throw new Fault(
      "machine/will-not-die",
      `process ${ref.pid} is still there ${GONE_MS / 1000} s after SIGKILL`,
      {
        hint: "it hangs in the kernel; look at /proc/PID/stack and dmesg",
      },
    )
}

function sendKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL")
  } catch (thrown) {
    // ESRCH: it ended by itself just now
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) throw thrown
  }
}

function readStat(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1")
  } catch (thrown) {
    // ENOENT: no such process; ESRCH: it went while being read
    if (thrown instanceof Error && /ENOENT|ESRCH/.test(thrown.message)) return null
    throw thrown
  }
}
