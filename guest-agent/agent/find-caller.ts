/** Whose socket it is: looks through the open files of a user's processes, newest first, for a while. */

import { readdirSync, readlinkSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Envelope } from "../../contract/uplink.ts"

/** The agent waits for nothing else meanwhile, so it gives up rather than hold up its other work. */
const BUDGET_MS = 60
const MAX_EXECUTABLE = 512

/** Null: nobody has it open, the process has ended, or there was too much to look through. */
export function findCaller(inode: string, uid: number, procDir = "/proc"): Envelope["process"] {
  const untilMs = performance.now() + BUDGET_MS
  const wanted = `socket:[${inode}]`
  const pids = readdirSync(procDir)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((left, right) => right - left)
  for (const pid of pids) {
    if (performance.now() > untilMs) return null
    try {
      if (
        statSync(join(procDir, String(pid))).uid === uid &&
        holds(join(procDir, String(pid), "fd"), wanted)
      ) {
        return { pid, executable: printable(readlinkSync(join(procDir, String(pid), "exe"))) }
      }
    } catch (thrown) {
      if (!isGone(thrown)) throw thrown
    }
  }
  return null
}

function holds(fdDir: string, wanted: string): boolean {
  return readdirSync(fdDir).some((fd) => {
    try {
      return readlinkSync(join(fdDir, fd)) === wanted
    } catch (thrown) {
      if (isGone(thrown)) return false
      throw thrown
    }
  })
}

/** Processes and files end while one looks at them, and a few do not show theirs even to root. */
function isGone(thrown: unknown): boolean {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : ""
  return ["ENOENT", "ESRCH", "EACCES"].includes(code)
}

/** It travels as a header's value. */
function printable(path: string): string {
  return path.slice(0, MAX_EXECUTABLE).replace(/[^\x21-\x7e]/g, "?")
}
