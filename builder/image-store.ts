/** The store of finished images: folders by digest, and names that point at one of them. */

import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { parse } from "smol-toml"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { type Manifest, manifest } from "../contract/manifest.ts"
import { adoptImage } from "./adopt-image.ts"

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
    await adoptImage(home, work, { digest, name })
    return readImage(home, name)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Folders of builds that were killed; the build lock says that nobody fills one now. */
async function removeLeftovers(byDigest: string): Promise<void> {
  for (const name of await readdir(byDigest)) {
    if (name.startsWith(".making-")) await rm(join(byDigest, name), { recursive: true, force: true })
  }
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
