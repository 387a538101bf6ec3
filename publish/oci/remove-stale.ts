/** Takes away what runs that were killed have left, once nobody will come back for it. */

import { lstat, readdir, rm } from "node:fs/promises"
import { join } from "node:path"

/** A week: a download that was interrupted on Friday goes on on Monday. */
const KEPT_MS = 7 * 24 * 3_600_000

/** Of a folder that may not be there: what begins with `prefix` and was last changed longer ago. */
export async function removeStale(dir: string, prefix: string, nowMs: number): Promise<void> {
  const names = await readdir(dir).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return []
    throw thrown
  })
  for (const name of names.filter((one) => one.startsWith(prefix))) {
    const path = join(dir, name)
    const found = await lstat(path).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return null
      throw thrown
    })
    if (found !== null && nowMs - found.mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true })
  }
}
