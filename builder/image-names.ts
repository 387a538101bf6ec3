/** The names of the image store: links, each to the folder of an image; and the folders without one. */

import { readdir, readlink } from "node:fs/promises"
import { basename, join } from "node:path"
import type { Home } from "../contract/home.ts"
import { exists } from "./exists.ts"

/** Name to digest, sorted by name. */
export async function readNames(home: Home): Promise<ReadonlyMap<string, string>> {
  const byName = join(home.images, "by-name")
  if (!(await exists(byName))) return new Map()
  const names = (await readdir(byName)).filter((name) => !name.startsWith(".")).sort()
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, basename(await readlink(join(byName, name)))] as const),
    ),
  )
}

/** Digests of the images at which no name points any more; a folder with a dot before its name is no image yet. */
export async function readUnnamed(home: Home): Promise<string[]> {
  const byDigest = join(home.images, "by-digest")
  if (!(await exists(byDigest))) return []
  const named = new Set((await readNames(home)).values())
  return (await readdir(byDigest)).filter((digest) => !digest.startsWith(".") && !named.has(digest)).sort()
}
