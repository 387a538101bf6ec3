/** Finds an image's folder without reading what lies in it, which may be broken. */

import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { adviseOnMissing } from "../contract/image-name.ts"
import { readNames } from "./image-names.ts"

export interface ImageFolder {
  readonly dir: string
  /** Null: it was asked for by its digest. */
  readonly name: string | null
}

const SHORTEST_DIGEST = 6

/** By name, by digest or by its beginning; also one that no name points at any more. Fault: `image/not-built`. */
export async function findImageFolder(home: Home, reference: string): Promise<ImageFolder> {
  const byDigest = join(home.images, "by-digest")
  const names = await readNames(home)
  const named = names.get(reference)
  if (named !== undefined) return { dir: join(byDigest, named), name: reference }
  const digests = (await list(byDigest)).filter((digest) => /^[0-9a-f]{64}$/.test(digest))
  const matches =
    reference.length < SHORTEST_DIGEST ? [] : digests.filter((digest) => digest.startsWith(reference))
  const [found, another] = matches
  if (found !== undefined && another === undefined) return { dir: join(byDigest, found), name: null }
  if (another !== undefined) {
    throw new Fault("image/not-built", `${matches.length} images' digests begin with ${reference}`, {
      hint: "give more digits",
    })
  }
  throw new Fault("image/not-built", `there is no built image "${reference}"`, {
    hint: adviseOnMissing(reference, [...names.keys()]),
  })
}

async function list(dir: string): Promise<string[]> {
  return (
    await readdir(dir).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return []
      throw thrown
    })
  ).sort()
}
