/** The units of this machine as they lie in the file system, for contract/unit-set.ts. */

import { createHash } from "node:crypto"
import { lstat, readdir, readFile, readlink } from "node:fs/promises"
import { join } from "node:path"
import { UNIT_FOLDERS, type UnitEntry } from "../../contract/unit-set.ts"

export async function readUnits(): Promise<UnitEntry[]> {
  const entries = await Promise.all((await listUnits()).map(describe))
  return entries.filter((entry) => entry !== null)
}

/** Changes whenever a unit does, and costs no reading of files: cheap enough to be asked again and again. */
export async function markUnits(): Promise<string> {
  const marks = await Promise.all(
    (await listUnits()).map(async (path) => {
      const found = await unlessGone(lstat(path))
      return found === null
        ? path
        : [path, found.dev, found.ino, found.size, found.mode, found.ctimeMs].join(" ")
    }),
  )
  return marks.join("\n")
}

async function listUnits(): Promise<string[]> {
  const found = await Promise.all(UNIT_FOLDERS.map(listFolder))
  return found.flat().sort()
}

/** All below a folder but folders themselves; a folder that is a link is an entry of its own. */
async function listFolder(dir: string): Promise<string[]> {
  const entries = (await unlessGone(readdir(dir, { withFileTypes: true }))) ?? []
  const found = entries.map((entry) =>
    entry.isDirectory() ? listFolder(join(dir, entry.name)) : [join(dir, entry.name)],
  )
  return (await Promise.all(found)).flat()
}

async function describe(path: string): Promise<UnitEntry | null> {
  const found = await unlessGone(lstat(path))
  if (found === null) return null
  if (found.isSymbolicLink()) {
    const target = await unlessGone(readlink(path))
    return target === null ? null : { path, kind: "link", content: target, mode: "0777" }
  }
  const mode = (found.mode & 0o7777).toString(8).padStart(4, "0")
  if (!found.isFile()) return { path, kind: "other", content: "", mode }
  const bytes = await unlessGone(readFile(path))
  return bytes && { path, kind: "file", content: createHash("sha256").update(bytes).digest("hex"), mode }
}

/** Most folders are not there, and a file may go while it is looked at. */
async function unlessGone<Result>(reading: Promise<Result>): Promise<Result | null> {
  try {
    return await reading
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && ["ENOENT", "ENOTDIR"].includes(String(thrown.code)))
      return null
    throw thrown
  }
}
