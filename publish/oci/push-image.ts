/** An image's path to a registry: packed, its blobs uploaded, its manifest last, so that nobody sees half of it. */

import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Progress } from "../../contract/progress.ts"
import { OCI_MANIFEST } from "./artifact.ts"
import { type Blob, type ImageFolder, type PackedImage, packImage } from "./pack-image.ts"
import { type ImageReference, renderPinned } from "./reference.ts"
import type { RegistryClient } from "./registry/registry-client.ts"
import { type UploadReport, uploadBlob } from "./registry/upload-blob.ts"
import { openUploadNotes } from "./registry/upload-notes.ts"
import { removeStale } from "./remove-stale.ts"
import { runTogether } from "./run-together.ts"
import { openTransferMeter } from "./transfer-meter.ts"

export interface PushRequest {
  readonly client: RegistryClient
  readonly image: ImageFolder
  readonly reference: ImageReference
  /** Another repository of the registry that may hold blobs already; null: none is known. */
  readonly mountFrom: string | null
  /** Uploads at once, from 1. */
  readonly parallel: number
  /** A folder for what is compressed, and for where uploads stand. */
  readonly workDir: string
  readonly progress: Progress
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface PushReport {
  /** The artifact's digest in the registry: what is pinned. */
  readonly digest: string
  /** The name with the digest. */
  readonly pinned: string
  readonly blobs: readonly PushedBlob[]
}

export interface PushedBlob extends UploadReport {
  readonly name: string
  readonly digest: string
  readonly sizeBytes: number
}

const PACK_PREFIX = "pushing-"
const NOTES = "uploads"

/** Faults: those of registry-client.ts and pack-image.ts, `registry/upload-failed`, `registry/other-digest`. */
export async function pushImage(request: PushRequest): Promise<PushReport> {
  const { image, reference, progress, signal } = request
  await removeStale(request.workDir, PACK_PREFIX, request.now())
  await removeStale(join(request.workDir, NOTES), "", request.now())
  const packDir = await mkdtemp(join(request.workDir, PACK_PREFIX))
  try {
    const packed = await progress.step("Packing", () => packImage(image, packDir, signal))
    const blobs = await progress.step(`Uploading to ${reference.registry}`, (note) =>
      uploadAll(request, packed, note),
    )
    await progress.step("Uploading the manifest", () => putManifest(request, packed))
    return { digest: packed.digest, pinned: renderPinned(reference, packed.digest), blobs }
  } finally {
    await rm(packDir, { recursive: true, force: true })
  }
}

function uploadAll(
  request: PushRequest,
  packed: PackedImage,
  note: (text: string) => void,
): Promise<PushedBlob[]> {
  const { client, reference, mountFrom, parallel, workDir, signal, now } = request
  const { registry, repository } = reference
  // two files may have the same bytes
  const blobs = [...new Map(packed.blobs.map((blob) => [blob.descriptor.digest, blob])).values()]
  // the largest first: at the end none is left alone
  blobs.sort((left, right) => right.descriptor.size - left.descriptor.size)
  const totalBytes = blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0)
  const meter = openTransferMeter(totalBytes, note, now)
  const notes = openUploadNotes(join(workDir, NOTES), `${registry}/${repository}`)
  return runTogether(blobs, parallel, signal, async (blob, either) => {
    const report = await uploadBlob({
      ...{ client, repository, blob, mountFrom, notes, signal: either },
      onBytes: (bytes) => meter.add(bytes),
    })
    return { name: nameOf(blob), digest: blob.descriptor.digest, sizeBytes: blob.descriptor.size, ...report }
  })
}

async function putManifest({ client, reference, signal }: PushRequest, packed: PackedImage): Promise<void> {
  const { repository, tag } = reference
  const answer = await client.call({
    method: "PUT",
    target: `/v2/${repository}/manifests/${tag ?? packed.digest}`,
    scope: `repository:${repository}:pull,push`,
    headers: { "content-type": OCI_MANIFEST, "content-length": String(packed.bytes.length) },
    body: packed.bytes,
    expect: [201],
    signal,
  })
  answer.body.destroy()
  const told = answer.headers["docker-content-digest"]
  if (told === undefined || told === packed.digest) return
  throw new Fault(
    "registry/other-digest",
    `${client.origin.host} took the manifest for ${told}, and it is ${packed.digest}`,
    {
      hint: "the registry changed what it was given: the image cannot be pulled from it by its digest",
    },
  )
}

function nameOf({ descriptor }: Blob): string {
  return descriptor.annotations?.["org.opencontainers.image.title"] ?? descriptor.digest
}
