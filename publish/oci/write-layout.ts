/** An image as an OCI image layout, in a folder or a tar archive: what other programs read and carry to a registry. */

import { createReadStream, createWriteStream } from "node:fs"
import { constants, copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import { pack } from "tar-stream"
import { Fault } from "../../contract/fault.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { MEDIA, OCI_INDEX, OCI_MANIFEST } from "./artifact.ts"
import { type ImageFolder, type PackedImage, packImage } from "./pack-image.ts"

export interface LayoutReport {
  /** The artifact's digest, which a registry will know it by. */
  readonly digest: string
  readonly path: string
  readonly sizeBytes: number
}

/** A name that ends in `.tar` becomes an archive. Faults: `artifact/in-the-way`, `artifact/changed-file`. */
export async function writeLayout(
  image: ImageFolder,
  out: string,
  signal: AbortSignal,
): Promise<LayoutReport> {
  const path = resolve(out)
  await refuseExisting(path)
  const parent = dirname(path)
  await mkdir(parent, { recursive: true })
  const work = await mkdtemp(join(parent, `.${basename(path)}-`))
  try {
    const packed = await packImage(image, work, signal)
    const files = layoutFiles(packed, image.manifest)
    const made = join(work, "made")
    if (path.endsWith(".tar")) await writeArchive(files, made, signal)
    else await writeFolder(files, made, signal)
    await rename(made, path)
    return {
      digest: packed.digest,
      path,
      sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

interface LayoutFile {
  /** Its path in the layout. */
  readonly name: string
  /** Its bytes, or a file that holds them. */
  readonly content: Buffer | string
  readonly sizeBytes: number
}

function layoutFiles(packed: PackedImage, manifest: Manifest): LayoutFile[] {
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [
      {
        mediaType: OCI_MANIFEST,
        digest: packed.digest,
        size: packed.bytes.length,
        artifactType: MEDIA.artifact,
        annotations: { "org.opencontainers.image.ref.name": manifest.name },
      },
    ],
  }
  const text = (name: string, content: Buffer) => ({ name, content, sizeBytes: content.length })
  const blobs = new Map(
    packed.blobs.map(({ descriptor, path }) => [
      descriptor.digest,
      { name: blobPath(descriptor.digest), content: path, sizeBytes: descriptor.size },
    ]),
  )
  return [
    text("oci-layout", Buffer.from(JSON.stringify({ imageLayoutVersion: "1.0.0" }))),
    text("index.json", Buffer.from(JSON.stringify(index))),
    text(blobPath(packed.digest), packed.bytes),
    ...blobs.values(),
  ]
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`
}

async function writeFolder(files: readonly LayoutFile[], dir: string, signal: AbortSignal): Promise<void> {
  await mkdir(join(dir, "blobs", "sha256"), { recursive: true })
  for (const { name, content } of files) {
    signal.throwIfAborted()
    const path = join(dir, name)
    if (typeof content === "string") await copyFile(content, path, constants.COPYFILE_FICLONE)
    else await writeFile(path, content)
  }
}

/** With nothing in it that tells when or by whom: the same image gives the same archive. */
async function writeArchive(files: readonly LayoutFile[], path: string, signal: AbortSignal): Promise<void> {
  const archive = pack()
  const written = pipeline(archive, createWriteStream(path), { signal })
  const filled = (async () => {
    for (const name of ["blobs/", "blobs/sha256/"])
      archive.entry({ name, type: "directory", mode: 0o755, mtime: EPOCH })
    for (const { name, content, sizeBytes } of files) {
      const entry = archive.entry({ name, size: sizeBytes, mode: 0o644, mtime: EPOCH })
      if (typeof content === "string") await pipeline(createReadStream(content), entry, { signal })
      else entry.end(content)
    }
    archive.finalize()
  })()
  // whichever fails ends the other, and is the one that is told
  await Promise.all([
    written,
    filled.catch((thrown: unknown) => {
      archive.destroy()
      throw thrown
    }),
  ])
}

const EPOCH = new Date(0)

async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw thrown
  })
  if (found === null) return
  throw new Fault("artifact/in-the-way", `${path} is there already`, {
    hint: "take it away, or give another place",
  })
}
