/** An image's folder as blobs and the OCI manifest that names them; the same folder always gives the same digest. */

import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { open, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { constants, createZstdCompress, zstdCompressSync } from "node:zlib"
import { Fault } from "../../contract/fault.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { PROVENANCE_FILES } from "../../contract/provenance.ts"
import { readProvenance } from "../../trust/read-provenance.ts"
import {
  ANNOTATION,
  type ArtifactManifest,
  type Descriptor,
  digestOf,
  MEDIA,
  OCI_MANIFEST,
  renderArtifact,
} from "./artifact.ts"

export interface ImageFolder {
  readonly dir: string
  /** Read from the folder's manifest.toml, and verified. */
  readonly manifest: Manifest
  /** sha256 of manifest.toml, in hex. */
  readonly digest: string
}

export interface Blob {
  readonly descriptor: Descriptor
  /** A file that holds it. */
  readonly path: string
}

export interface PackedImage {
  readonly manifest: ArtifactManifest
  readonly bytes: Buffer
  /** `sha256:…` of `bytes`: the artifact's digest. */
  readonly digest: string
  readonly blobs: readonly Blob[]
}

/** One thread and no content size: what comes out depends on the level and zstd's version, which Node pins. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 9, [constants.ZSTD_c_checksumFlag]: 1 } }
/** A file that compression makes smaller by less than this stays as it is; root disks are compressed inside. */
const WORTHWHILE = 0.9
/** A smaller file is not worth a second form. */
const MIN_COMPRESSED_BYTES = 4096
const SAMPLE_BYTES = 4 << 20
const READING = { highWaterMark: 1 << 20 }

/** `workDir` gets what is compressed; it must stay until the blobs have been read. Fault: `artifact/changed-file`. */
export async function packImage(
  image: ImageFolder,
  workDir: string,
  signal: AbortSignal,
): Promise<PackedImage> {
  const { dir, manifest, digest } = image
  const files = Object.values(manifest.files)
  const layers: Blob[] = []
  // one after the other: compression is bound by the processor
  for (const file of files) layers.push(await packFile(dir, file, workDir, signal))
  const provenance = await Promise.all(
    Object.values(PROVENANCE_FILES).map((name) => packProvenance(dir, name)),
  )
  layers.push(...provenance.filter((one) => one !== null))
  const config = await packConfig(dir, digest)
  const document: ArtifactManifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: MEDIA.artifact,
    config: { ...config.descriptor, mediaType: MEDIA.manifest },
    layers: layers.map(({ descriptor }) => descriptor as ArtifactManifest["layers"][number]), // checked when rendered
    annotations: {
      [ANNOTATION.name]: manifest.name,
      [ANNOTATION.profile]: manifest.profile,
      [ANNOTATION.digest]: digest,
    },
  }
  const bytes = renderArtifact(document)
  return { manifest: document, bytes, digest: digestOf(bytes), blobs: [config, ...layers] }
}

interface NamedFile {
  readonly name: string
  readonly sha256: string
  readonly size_bytes: number
}

async function packFile(dir: string, file: NamedFile, workDir: string, signal: AbortSignal): Promise<Blob> {
  const source = join(dir, file.name)
  const plain = measure()
  const compressed = (await isWorthCompressing(source, file.size_bytes))
    ? await compress(source, join(workDir, `${file.name}.zst`), plain, signal)
    : null
  if (compressed === null) {
    await pipeline(createReadStream(source, READING), plain.stream, drain, { signal })
  }
  if (plain.sha256() !== file.sha256) throw changedFile(source)
  const title = { [ANNOTATION.title]: file.name }
  if (compressed === null || compressed.size >= file.size_bytes * WORTHWHILE) {
    const digest = `sha256:${file.sha256}`
    return {
      descriptor: { mediaType: MEDIA.file, digest, size: file.size_bytes, annotations: title },
      path: source,
    }
  }
  const { path, digest, size } = compressed
  const before = { [ANNOTATION.sha256]: file.sha256, [ANNOTATION.sizeBytes]: String(file.size_bytes) }
  return {
    descriptor: { mediaType: MEDIA.fileZstd, digest, size, annotations: { ...title, ...before } },
    path,
  }
}

/** What does not get smaller at its beginning is taken not to at all: root disk and initramfs are packed inside. */
async function isWorthCompressing(path: string, sizeBytes: number): Promise<boolean> {
  if (sizeBytes < MIN_COMPRESSED_BYTES) return false
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(sizeBytes, SAMPLE_BYTES)), {
    position: 0,
  })
  const sample = buffer.subarray(0, bytesRead)
  return zstdCompressSync(sample, ZSTD).length < sample.length * WORTHWHILE
}

async function compress(path: string, target: string, plain: Measure, signal: AbortSignal) {
  const packed = measure()
  const steps = [plain.stream, createZstdCompress(ZSTD), packed.stream, createWriteStream(target)] as const
  await pipeline(createReadStream(path, READING), ...steps, { signal })
  return { path: target, digest: `sha256:${packed.sha256()}`, size: packed.sizeBytes() }
}

async function packConfig(dir: string, digest: string): Promise<Blob> {
  const path = join(dir, "manifest.toml")
  const bytes = await readFile(path)
  if (digestOf(bytes) !== `sha256:${digest}`) throw changedFile(path)
  const annotations = { [ANNOTATION.title]: "manifest.toml" }
  return {
    descriptor: { mediaType: MEDIA.manifest, digest: `sha256:${digest}`, size: bytes.length, annotations },
    path,
  }
}

/** Null: the image has none of this kind. What a link leads to is no part of the image, and nobody asked to push it. */
async function packProvenance(dir: string, name: Parameters<typeof readProvenance>[1]): Promise<Blob | null> {
  const path = join(dir, name)
  const read = await readProvenance(dir, name)
  if (read.kind === "finding" && read.finding.kind === "missing-file") return null
  if (read.kind === "finding") throw changedFile(path, read.finding.reason)
  const { bytes } = read
  const annotations = { [ANNOTATION.title]: name }
  return {
    descriptor: { mediaType: MEDIA.provenance, digest: digestOf(bytes), size: bytes.length, annotations },
    path,
  }
}

interface Measure {
  readonly stream: Transform
  sizeBytes(): number
  sha256(): string
}

/** Lets bytes through, and tells afterwards what they were. */
function measure(): Measure {
  const hash = createHash("sha256")
  let length = 0
  let hex: string | null = null
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      length += chunk.length
      done(null, chunk)
    },
  })
  return {
    stream,
    sizeBytes: () => length,
    sha256: () => {
      hex ??= hash.digest("hex")
      return hex
    },
  }
}

async function drain(chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) void chunk
}

function changedFile(path: string, reason = "it is not what the image's manifest says"): Fault {
  return new Fault("artifact/changed-file", `${path}: ${reason}`, {
    hint: "build the image again; `stereo images verify` says what else was changed",
  })
}
