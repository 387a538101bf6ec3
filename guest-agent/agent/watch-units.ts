/** Hears of units that come and go while the machine runs; what it misses is found by the look every few seconds. */

import { type FSWatcher, watch } from "node:fs"
import { UNIT_FOLDERS } from "../../contract/unit-set.ts"

/** The image's own folders are read-only; these may change, and most of them are not there yet. */
const LIVE = ["/run/systemd", ...UNIT_FOLDERS.filter((folder) => folder.startsWith("/run/"))]
/** One act of systemd is many events. */
const GATHER_MS = 100

export function watchUnits(onChange: () => void): void {
  const watched = new Map<string, FSWatcher>()
  let gathering = false
  const heard = () => {
    if (gathering) return
    gathering = true
    setTimeout(() => {
      gathering = false
      arm()
      onChange()
    }, GATHER_MS)
  }
  const arm = () => {
    for (const folder of LIVE) {
      if (watched.has(folder)) continue
      const watcher = open(folder, heard)
      if (watcher === null) continue
      watched.set(folder, watcher)
      watcher.once("error", () => watched.delete(folder))
    }
  }
  arm()
}

/** Null when the folder is not there. */
function open(folder: string, heard: () => void): FSWatcher | null {
  try {
    return watch(folder, heard)
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}
