/** Where locks lie, and reading and writing one. */

import { mkdir, readFile, rename, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { type ImageLock, imageLock } from "../../contract/image-lock.ts"
import { type ProfiledName, STRICT_PROFILE } from "../../contract/image-name.ts"
import { parseToml } from "../../contract/toml.ts"
import { renderLock } from "./render-lock.ts"

/** Below the project: beside the definition, `lock-PROFILE.toml` for a profile other than strict. */
export function lockPath({ name, profile }: ProfiledName): string {
  return join("images", name, profile === STRICT_PROFILE ? "lock.toml" : `lock-${profile}.toml`)
}

/** Null if there is none. Faults: `lock/bad-toml`, `lock/bad-field`. */
export async function readLock(dir: string, path: string): Promise<ImageLock | null> {
  try {
    return parseToml({ text: await readFile(join(dir, path), "utf8"), file: path, stage: "lock" }, imageLock)
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}

/** Whole or not at all. */
export async function writeLock(dir: string, path: string, lock: ImageLock): Promise<void> {
  const file = join(dir, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.new`, renderLock(lock))
  await rename(`${file}.new`, file)
}
