/** Whether a process that machine.json names is still that process. */

import { readFileSync } from "node:fs"
import type { ProcessRef } from "../../contract/machine-record.ts"

/** Field 22 of /proc/PID/stat, the start time, tells a process from a later one with the same id. */
export function isProcessAlive(reference: ProcessRef): boolean {
  let stat: string
  try {
    stat = readFileSync(`/proc/${reference.pid}/stat`, "utf8")
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return false // fs throws nothing else
    throw thrown
  }
  // the second field, the name in parentheses, may hold spaces
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return fields[0] !== "Z" && fields[19] === reference.startTicks
}
