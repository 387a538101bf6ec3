/** How a finished image comes among the others: its folder is moved there in one step, and its name last. */

import { randomUUID } from "node:crypto"
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, stat, symlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Home } from "../contract/home.ts"
import { PROVENANCE_FILES } from "../contract/provenance.ts"
import { exists } from "./exists.ts"
import { hashFile } from "./hash-file.ts"
import { readUnnamed } from "./image-names.ts"

const KEPT_NAMELESS = 8

/**
 * Makes a finished image's folder, which lies beside the others, one of them, and gives where it is. The name
 * changes last; null: it is known by its digest only.
 */
export async function adoptImage(
  home: Home,
  work: string,
  { digest, name }: { readonly digest: string; readonly name: string | null },
): Promise<string> {
  const dir = join(home.images, "by-digest", digest)
  await chmod(work, 0o755)
  await moveInto(work, dir)
  if (name !== null) await pointName(home, name, digest)
  await removeOldest(home)
  return dir
}

/**
 * The same image, built before, keeps its folder, from which a machine may run, and gets the newer provenance.
 * One that was changed since is no image any more: what was built takes its place.
 */
async function moveInto(work: string, dir: string): Promise<void> {
  if (!(await exists(dir))) return rename(work, dir)
  if (await isSameImage(work, dir)) {
    for (const file of Object.values(PROVENANCE_FILES)) {
      if (await exists(join(work, file))) await rename(join(work, file), join(dir, file))
      else await rm(join(dir, file), { force: true })
    }
    return
  }
  const old = await mkdtemp(join(dirname(dir), ".making-"))
  await rename(dir, join(old, "changed"))
  await rename(work, dir)
  await rm(old, { recursive: true, force: true })
}

async function isSameImage(work: string, dir: string): Promise<boolean> {
  const provenance: readonly string[] = Object.values(PROVENANCE_FILES)
  const imageFiles = async (of: string) =>
    (await readdir(of)).filter((file) => !provenance.includes(file)).sort()
  const files = await imageFiles(work)
  if ((await imageFiles(dir)).join("/") !== files.join("/")) return false
  for (const file of files) {
    if (!(await isSameFile(join(work, file), join(dir, file)))) return false
  }
  return true
}

async function isSameFile(left: string, right: string): Promise<boolean> {
  const [one, other] = await Promise.all([lstat(left), lstat(right)])
  if (one.ino === other.ino && one.dev === other.dev) return true
  if (!other.isFile() || one.size !== other.size) return false
  const [first, second] = await Promise.all([hashFile(left), hashFile(right)])
  return first === second
}

/** Of the images that no name points at any more, those made last stay: a machine may have been started from one. */
async function removeOldest(home: Home): Promise<void> {
  const byDigest = join(home.images, "by-digest")
  const nameless = await readUnnamed(home)
  const dated = await Promise.all(
    nameless.map(async (digest) => ({ digest, madeMs: (await stat(join(byDigest, digest))).mtimeMs })),
  )
  dated.sort((left, right) => right.madeMs - left.madeMs)
  for (const { digest } of dated.slice(KEPT_NAMELESS)) {
    await rm(join(byDigest, digest), { recursive: true, force: true })
  }
}

async function pointName(home: Home, name: string, digest: string): Promise<void> {
  const byName = join(home.images, "by-name")
  await mkdir(byName, { recursive: true })
  // a build and a pull may do so at once
  const next = join(byName, `.next-${name}-${randomUUID()}`)
  await symlink(join("..", "by-digest", digest), next)
  await rename(next, join(byName, name))
}
