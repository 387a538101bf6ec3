/** Content-addressed bodies: the sha256 of the raw bytes names a zstd file that is on the disk before its row. */

import { createReadStream, createWriteStream, existsSync } from "node:fs"
import { mkdir, open, readFile, rename, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"
import { createZstdCompress, zstdCompress, zstdDecompress } from "node:zlib"
import { Fault, reasonOf } from "../../contract/fault.ts"

/** sha256 of no bytes: it needs no blob. */
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/** Larger bodies are compressed piece by piece. */
const WHOLE_BYTES = 1024 * 1024

/** Puts the spooled bytes of `file` under their digest, durably. */
export async function storeBlob(blobsDir: string, sha256: string, file: string): Promise<void> {
  if (sha256 === EMPTY_SHA256) return
  const target = blobPath(blobsDir, sha256)
  const folder = dirname(target)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (!existsSync(target)) {
    const temporary = `${file}.zst`
    if ((await stat(file)).size <= WHOLE_BYTES) await compressWhole(file, temporary)
    else await compressStream(file, temporary)
    await rename(temporary, target)
  }
  await Promise.all([syncFolder(folder), syncFolder(blobsDir)])
}

async function compressWhole(file: string, to: string): Promise<void> {
  const bytes = await promisify(zstdCompress)(await readFile(file))
  await writeFile(to, bytes, { flush: true, mode: 0o600 })
}

function compressStream(file: string, to: string): Promise<void> {
  const sink = createWriteStream(to, { flush: true, mode: 0o600 })
  return pipeline(createReadStream(file), createZstdCompress(), sink)
}

/** The raw bytes of a body. Fault: `archive/blob-missing`. */
export async function readBlob(blobsDir: string, sha256: string): Promise<Buffer> {
  if (sha256 === EMPTY_SHA256) return Buffer.alloc(0)
  try {
    return await promisify(zstdDecompress)(await readFile(blobPath(blobsDir, sha256)))
  } catch (thrown) {
    throw new Fault("archive/blob-missing", `the body ${sha256} cannot be read: ${reasonOf(thrown)}`, {
      cause: thrown,
    })
  }
}

function blobPath(blobsDir: string, sha256: string): string {
  return join(blobsDir, sha256.slice(0, 2), `${sha256}.zst`)
}

async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
