/** Takes images out of the store: first the name, so that nobody finds it any more, then the folder. */

import { randomUUID } from "node:crypto"
import { lstat, readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Home } from "../contract/home.ts"
import { exists } from "./exists.ts"
import { readNames, readUnnamed } from "./image-names.ts"

export interface RemovedImage {
  /** Empty: it had none any more. */
  readonly names: readonly string[]
  readonly digest: string
  /** What its folder held; null: another name still points there. */
  readonly freedBytes: number | null
}

/** Takes these names away, which point at `digest`; the folder goes with the last name. */
export async function removeImage(
  home: Home,
  digest: string,
  names: readonly string[],
): Promise<RemovedImage> {
  for (const name of names) await rm(join(home.images, "by-name", name), { force: true })
  const left = [...(await readNames(home))].filter(([, pointed]) => pointed === digest)
  return { names, digest, freedBytes: left.length > 0 ? null : await removeFolder(home, digest) }
}

/** Removes the images of earlier builds and pulls, at which no name points; `keep` are digests that stay. */
export async function removeUnnamed(home: Home, keep: ReadonlySet<string>): Promise<RemovedImage[]> {
  const removed: RemovedImage[] = []
  for (const digest of await readUnnamed(home)) {
    if (keep.has(digest)) continue
    removed.push({ names: [], digest, freedBytes: await removeFolder(home, digest) })
  }
  return removed
}

/**
 * In one step for whoever looks for it meanwhile; the next build removes what a killed removal left. A name may also
 * point nowhere, or at what is no image: then only the name goes.
 */
async function removeFolder(home: Home, digest: string): Promise<number> {
  const byDigest = join(home.images, "by-digest")
  if (!/^[0-9a-f]{64}$/.test(digest) || !(await exists(join(byDigest, digest)))) return 0
  const going = join(byDigest, `.making-removed-${randomUUID()}`)
  await rename(join(byDigest, digest), going)
  const files = await readdir(going)
  const sizes = await Promise.all(files.map(async (file) => (await lstat(join(going, file))).size))
  await rm(going, { recursive: true })
  return sizes.reduce((sum, size) => sum + size, 0)
}
