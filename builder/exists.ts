/** Whether something is at a path. */

import { stat } from "node:fs/promises"

/** A link is followed: one that leads nowhere is not there. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return false
    throw thrown
  }
}
