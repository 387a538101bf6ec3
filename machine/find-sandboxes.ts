/** Finds the sandboxes of a machine whose record does not name its QEMU. */

import { readdir, readFile } from "node:fs/promises"
import type { ProcessRef } from "../contract/machine-record.ts"
import { readProcessRef } from "./process-ref.ts"

/** bubblewrap's own processes that show `vmDir` to a guest, with their children first. */
export async function findSandboxes(vmDir: string): Promise<readonly ProcessRef[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)
  const found: ProcessRef[] = []
  for (const pid of pids) {
    const words = (await readProcFile(pid, "cmdline")).split("\0")
    if (!/(^|\/)bwrap$/.test(words[0] ?? "") || !isShown(words, vmDir)) continue
    const children = (await readProcFile(pid, `task/${pid}/children`)).trim().split(" ")
    for (const one of [...children.map(Number), pid]) {
      const ref = one > 0 ? readProcessRef(one) : null
      if (ref !== null) found.push(ref)
    }
  }
  return found
}

function isShown(words: readonly string[], vmDir: string): boolean {
  return words.some((word, index) => word === "--bind" && words[index + 1] === vmDir)
}

/** Empty when the process has gone meanwhile. */
async function readProcFile(pid: number, name: string): Promise<string> {
  return readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")
}
