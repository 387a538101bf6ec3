/** Packages as they came, each under its own hash: whole and checked, or not there. */

import { mkdir, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { hashFile } from "../hash-file.ts"

export interface StoredFile {
  /** For errors: "bash 5.2.37-2". */
  readonly title: string
  readonly algorithm: "sha256" | "sha512"
  /** Lower-case hex. */
  readonly digest: string
  /** Null where it is not known before it has come. */
  readonly sizeBytes: number | null
}

/** Where a file is kept, or lies while it comes: one that is whole there already is not asked for again. */
export function storePath(
  home: Home,
  { algorithm, digest }: StoredFile,
  state: "kept" | "incoming" = "kept",
): string {
  return join(home.cache, "store", state === "kept" ? join(algorithm, digest.slice(0, 2)) : state, digest)
}

/**
 * Whether the store has it; with `deep` also whether its bytes are still right. What is wrong is taken out, so that
 * it is fetched again.
 */
export async function isStored(home: Home, file: StoredFile, deep: boolean): Promise<boolean> {
  const path = storePath(home, file)
  const sizeBytes = await sizeOf(path)
  if (sizeBytes === null) return false
  const right =
    (file.sizeBytes === null || file.sizeBytes === sizeBytes) &&
    (!deep || (await hashFile(path, file.algorithm)) === file.digest)
  if (!right) await rm(path)
  return right
}

/** Moves a file of the same disk into the store, if it is what it should be; otherwise removes it. Fault: `store/wrong-bytes`. */
export async function takeIn(home: Home, file: StoredFile, from: string): Promise<void> {
  const sizeBytes = (await stat(from)).size
  const actual = await hashFile(from, file.algorithm)
  if (actual !== file.digest || (file.sizeBytes !== null && file.sizeBytes !== sizeBytes)) {
    await rm(from)
    const expected = `${file.algorithm} ${file.digest}${file.sizeBytes === null ? "" : `, ${file.sizeBytes} bytes`}`
    throw new Fault(
      "store/wrong-bytes",
      `${file.title}: what came is not what the lock names\n    expected ${expected}\n    got      ${file.algorithm} ${actual}, ${sizeBytes} bytes`,
      {
        hint: "nothing of it was kept; a mirror or proxy that damages files gives this, and so does an attack: ask another one (STEREO_DEBIAN_MIRROR) before you trust a new lock",
      },
    )
  }
  const path = storePath(home, file)
  await mkdir(dirname(path), { recursive: true })
  await rename(from, path)
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}
