/** The store of finished images: folders by digest, and names that point at one of them. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { parse } from "smol-toml"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { type Manifest, manifest } from "../contract/manifest.ts"
import { PROVENANCE_FILES } from "../contract/provenance.ts"

const KEPT_NAMELESS = 8

export interface StoredImage {
  readonly name: string
  /** sha256 of the manifest. */
  readonly digest: string
  readonly dir: string
  readonly sizeBytes: number
  readonly manifest: Manifest
}

/** Stores what `write` puts into an empty folder; it gives the manifest's text. The name changes last. */
export async function storeImage(
  home: Home,
  name: string,
  write: (dir: string) => Promise<string>,
): Promise<StoredImage> {
  const byDigest = join(home.images, "by-digest")
  await mkdir(byDigest, { recursive: true })
  await removeLeftovers(byDigest)
  const work = await mkdtemp(join(byDigest, ".making-"))
  try {
    const digest = createHash("sha256")
      .update(await write(work))
      .digest("hex")
    const dir = join(byDigest, digest)
    await chmod(work, 0o755)
    await moveInto(work, dir)
    await pointName(home, name, digest)
    await removeOldest(home)
    return readImage(home, name)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
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

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex")
}

/** Folders of builds that were killed; the build lock says that nobody fills one now. */
async function removeLeftovers(byDigest: string): Promise<void> {
  for (const name of await readdir(byDigest)) {
    if (name.startsWith(".making-")) await rm(join(byDigest, name), { recursive: true, force: true })
  }
}

/** Of the images that no name points at any more, those made last stay: a machine may have been started from one. */
async function removeOldest(home: Home): Promise<void> {
  const byDigest = join(home.images, "by-digest")
  const byName = join(home.images, "by-name")
  const named = new Set(await Promise.all((await imageNames(byName)).map((name) => digestOf(byName, name))))
  const nameless = (await readdir(byDigest)).filter((digest) => !named.has(digest))
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
  const next = join(byName, `.next-${name}`)
  await rm(next, { force: true })
  await symlink(join("..", "by-digest", digest), next)
  await rename(next, join(byName, name))
}

/** Finds an image by name, digest, or the beginning of a digest. */
export async function readImage(home: Home, reference: string): Promise<StoredImage> {
  const byName = join(home.images, "by-name")
  if ((await imageNames(byName)).includes(reference)) return readNamed(byName, reference)
  const all = await listImages(home)
  const matches = /^[0-9a-f]{6,64}$/.test(reference)
    ? all.filter(({ digest }) => digest.startsWith(reference))
    : []
  if (matches[0] && new Set(matches.map(({ digest }) => digest)).size === 1) return matches[0]
  throw new Fault("image/not-built", `there is no built image "${reference}"`, {
    hint:
      all.length === 0 ? "build one: stereo build base" : `built: ${all.map(({ name }) => name).join(", ")}`,
  })
}

/** All named images, by name. */
export async function listImages(home: Home): Promise<StoredImage[]> {
  const byName = join(home.images, "by-name")
  return Promise.all((await imageNames(byName)).map((name) => readNamed(byName, name)))
}

async function imageNames(byName: string): Promise<string[]> {
  if (!(await exists(byName))) return []
  return (await readdir(byName)).filter((name) => !name.startsWith(".")).sort()
}

async function digestOf(byName: string, name: string): Promise<string> {
  return basename(await readlink(join(byName, name)))
}

async function readNamed(byName: string, name: string): Promise<StoredImage> {
  const digest = await digestOf(byName, name)
  const dir = join(byName, "..", "by-digest", digest)
  const file = join(dir, "manifest.toml")
  try {
    const text = await readFile(file, "utf8")
    const document = manifest.parse(parse(text))
    const sizeBytes = Object.values(document.files).reduce((sum, { size_bytes }) => sum + size_bytes, 0)
    return { name, digest, dir, sizeBytes, manifest: document }
  } catch (cause) {
    throw new Fault("image/bad-manifest", `${file}: ${reasonOf(cause)}`, {
      hint: `build the image again: stereo build ${name}`,
      cause,
    })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return false
    throw thrown
  }
}
