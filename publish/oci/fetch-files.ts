/** Downloads the files of an image into its folder: the few that are believed first, and then all others. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { chmod, link, lstat, readdir, rename, rm, statfs } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { Fault } from "../../contract/fault.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import { ANNOTATION, type Descriptor } from "./artifact.ts"
import type { PlannedFile } from "./plan-files.ts"
import type { ImageReference } from "./reference.ts"
import { downloadBlob } from "./registry/download-blob.ts"
import type { RegistryClient } from "./registry/registry-client.ts"
import { runTogether } from "./run-together.ts"
import { openTransferMeter } from "./transfer-meter.ts"
import { unpackBlob } from "./unpack-blob.ts"

export interface FetchRequest {
  readonly client: RegistryClient
  readonly reference: ImageReference
  readonly parallel: number
  readonly signal: AbortSignal
  readonly now: () => number
}

export interface FileReport {
  readonly name: string
  readonly digest: string
  /** Of the blob, in the registry. */
  readonly blobBytes: number
  readonly sizeBytes: number
  readonly receivedBytes: number
  /** Where an earlier, interrupted download had ended. */
  readonly resumedAt: number
}

/** Read whole into memory to be verified; a manifest has about 30 kB, an envelope with it about 80 kB. */
const MAX_SIGNED_BYTES = 8 << 20
const PART = ".part"
/** Left free on the disk besides. */
const SPARE_BYTES = 64 << 20

/** Faults: `artifact/too-large`, those of download-blob.ts. */
export async function fetchSigned(
  request: FetchRequest,
  blobs: readonly Descriptor[],
  dir: string,
): Promise<void> {
  for (const blob of blobs) {
    const name = blob.annotations?.[ANNOTATION.title] ?? ""
    if (blob.size > MAX_SIGNED_BYTES) {
      throw new Fault(
        "artifact/too-large",
        `the artifact's ${name} is said to have ${blob.size} bytes, at most ${MAX_SIGNED_BYTES} are read`,
      )
    }
    const path = join(dir, name)
    // of an earlier run: another artifact's has another folder
    if (await isFile(path, blob.digest.slice("sha256:".length), blob.size)) continue
    await download(request, blob, `${path}${PART}`, () => undefined)
    await rename(`${path}${PART}`, path)
  }
}

/** Files that another image here has in the same form need not come again. */
export async function reuseFiles(
  files: readonly PlannedFile[],
  imagesDir: string,
  dir: string,
): Promise<void> {
  const images = (await readdir(imagesDir)).filter((name) => /^[0-9a-f]{64}$/.test(name))
  for (const { name, sha256, sizeBytes } of files) {
    const path = join(dir, name)
    if ((await lstat(path).catch(goneAsNull)) !== null) continue
    for (const image of images) {
      const other = join(imagesDir, image, name)
      if (!(await isFile(other, sha256, sizeBytes))) continue
      await link(other, path)
      break
    }
  }
}

/** Ends when all are there; files that are no part of the image are gone. Faults: `pull/disk-full`, `artifact/wrong-bytes`, those of download-blob.ts. */
export async function fetchFiles(
  request: FetchRequest,
  files: readonly PlannedFile[],
  dir: string,
  note: (text: string) => void,
): Promise<FileReport[]> {
  const left: PlannedFile[] = []
  for (const file of files) {
    if (!(await isFile(join(dir, file.name), file.sha256, file.sizeBytes))) left.push(file)
  }
  await refuseFullDisk(left, dir)
  const meter = openTransferMeter(
    sum(files, ({ blob }) => blob.size),
    note,
    request.now,
  )
  meter.add(sum(files, ({ blob }) => blob.size) - sum(left, ({ blob }) => blob.size))
  const largestFirst = [...left].sort((one, other) => other.blob.size - one.blob.size)
  const fetched = await runTogether(largestFirst, request.parallel, request.signal, async (file, signal) => {
    const path = join(dir, file.name)
    const report = await download({ ...request, signal }, file.blob, `${path}${PART}`, (bytes) =>
      meter.add(bytes),
    )
    await unpackBlob(file, `${path}${PART}`, path, signal)
    return { name: file.name, ...report }
  })
  const reports = new Map(fetched.map((report) => [report.name, report]))
  for (const { name } of files) await chmod(join(dir, name), 0o644)
  await removeOthers(dir)
  return files.map(({ name, sha256, sizeBytes, blob }) => {
    const { receivedBytes = 0, resumedAt = blob.size } = reports.get(name) ?? {}
    return { name, digest: `sha256:${sha256}`, blobBytes: blob.size, sizeBytes, receivedBytes, resumedAt }
  })
}

async function download(
  request: FetchRequest,
  blob: Descriptor,
  path: string,
  onBytes: (bytes: number) => void,
) {
  const { client, reference, signal } = request
  return downloadBlob({ client, repository: reference.repository, blob, path, onBytes, signal })
}

/** What is missing, and for as long as it is decompressed a second time what is compressed. */
async function refuseFullDisk(files: readonly PlannedFile[], dir: string): Promise<void> {
  let needed = files.length === 0 ? 0 : SPARE_BYTES
  for (const { name, blob, compressed, sizeBytes } of files) {
    const have = await lstat(join(dir, `${name}${PART}`)).catch(goneAsNull)
    needed += blob.size - Math.min(have?.size ?? 0, blob.size) + (compressed ? sizeBytes : 0)
  }
  const { bavail, bsize } = await statfs(dir)
  const free = bavail * bsize
  if (needed <= free) return
  throw new Fault(
    "pull/disk-full",
    `the image needs ${mebibytes(needed)} on the disk of ${dir}, and ${mebibytes(free)} are free`,
    {
      hint: "make room (`stereo rm` takes machines and their disks away), or set STEREO_HOME to a folder on a larger disk",
    },
  )
}

async function isFile(path: string, sha256: string, sizeBytes: number): Promise<boolean> {
  const found = await lstat(path).catch(goneAsNull)
  if (found === null || !found.isFile() || found.size !== sizeBytes) return false
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex") === sha256
}

function goneAsNull(thrown: NodeJS.ErrnoException): null {
  if (thrown.code === "ENOENT") return null
  throw thrown
}

/** A run that was killed while it decompressed leaves a file that nobody goes on with. */
async function removeOthers(dir: string): Promise<void> {
  const left = (await readdir(dir)).filter((name) => name.endsWith(PART) || name.endsWith(".unpacked"))
  for (const name of left) await rm(join(dir, name), { force: true })
}

function sum(files: readonly PlannedFile[], bytes: (file: PlannedFile) => number): number {
  return files.reduce((total, file) => total + bytes(file), 0)
}
