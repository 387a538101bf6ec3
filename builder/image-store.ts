/** The store of finished images: folders by digest, and names that point at one of them. */

import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { adviseOnMissing } from "../contract/image-name.ts"
import { type Manifest, manifest } from "../contract/manifest.ts"
import { parseToml } from "../contract/toml.ts"
import { adoptImage } from "./adopt-image.ts"
import { readNames } from "./image-names.ts"

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

/** A name whose image this version of stereo cannot read: an older one made it, or it is damaged. */
export interface UnreadableImage {
  readonly name: string
  readonly digest: string
  readonly fault: Fault
}

/** Finds an image by name, digest, or the beginning of a digest. Faults: `image/not-built`, `image/bad-manifest`. */
export async function readImage(home: Home, reference: string): Promise<StoredImage> {
  const digest = (await readNames(home)).get(reference)
  if (digest !== undefined) return readNamed(home, reference, digest)
  const { images: all, unreadable } = await listImages(home)
  const matches = /^[0-9a-f]{6,64}$/.test(reference)
    ? all.filter(({ digest }) => digest.startsWith(reference))
    : []
  if (matches[0] && new Set(matches.map(({ digest }) => digest)).size === 1) return matches[0]
  const names = [...all, ...unreadable].map(({ name }) => name).sort()
  throw new Fault("image/not-built", `there is no built image "${reference}"`, {
    hint: adviseOnMissing(reference, names),
  })
}

/** All named images, by name; what cannot be read hides no other. */
export async function listImages(
  home: Home,
): Promise<{ readonly images: readonly StoredImage[]; readonly unreadable: readonly UnreadableImage[] }> {
  const names = [...(await readNames(home))]
  const read = await Promise.all(names.map(([name, digest]) => tryReadNamed(home, name, digest)))
  return {
    images: read.filter((each) => "manifest" in each),
    unreadable: read.filter((each) => "fault" in each),
  }
}

async function tryReadNamed(
  home: Home,
  name: string,
  digest: string,
): Promise<StoredImage | UnreadableImage> {
  try {
    return await readNamed(home, name, digest)
  } catch (thrown) {
    if (thrown instanceof Fault) return { name, digest, fault: thrown }
    throw thrown
  }
}

async function readNamed(home: Home, name: string, digest: string): Promise<StoredImage> {
  const dir = join(home.images, "by-digest", digest)
  const file = join(dir, "manifest.toml")
  try {
    const document = parseToml({ text: await readFile(file, "utf8"), file, stage: "image" }, manifest)
    const sizeBytes = Object.values(document.files).reduce((sum, { size_bytes }) => sum + size_bytes, 0)
    return { name, digest, dir, sizeBytes, manifest: document }
  } catch (cause) {
    const [first = "", ...more] = reasonOf(cause).split("\n")
    throw new Fault("image/bad-manifest", `${first}${more.length > 0 ? ` (and ${more.length} more)` : ""}`, {
      hint: "an older version of stereo made it, or it is damaged: build it again (`stereo build`), or pull it",
      cause,
    })
  }
}
