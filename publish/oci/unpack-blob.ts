/** Turns a downloaded blob into the file of the image that it holds; what is not that file, byte for byte, is refused. */

import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { rename, rm } from "node:fs/promises"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createZstdDecompress } from "node:zlib"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { PlannedFile } from "./plan-files.ts"

/** `part`: the blob, whose digest is right; it is gone afterwards. Fault: `artifact/wrong-bytes`. */
export async function unpackBlob(
  file: PlannedFile,
  part: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  // its digest is the one that the image's manifest has
  if (!file.compressed) return rename(part, target)
  const unpacked = `${target}.unpacked`
  try {
    await decompress(file, part, unpacked, signal)
    await rename(unpacked, target)
  } finally {
    await rm(unpacked, { force: true })
  }
  await rm(part)
}

async function decompress(
  file: PlannedFile,
  part: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const { name, sha256, sizeBytes } = file
  const hash = createHash("sha256")
  let length = 0
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length
      hash.update(chunk)
      // a small blob may hold any number of bytes: not one more than was signed is written
      if (length > sizeBytes) done(wrongBytes(name, `it has more than its ${sizeBytes} bytes`))
      else done(null, chunk)
    },
  })
  try {
    const write = createWriteStream(target, { mode: 0o600, flush: true })
    await pipeline(createReadStream(part), createZstdDecompress(), bounded, write, { signal })
  } catch (thrown) {
    signal.throwIfAborted()
    // of zlib, not of the disk
    if (thrown instanceof Error && "code" in thrown && String(thrown.code).startsWith("ZSTD_")) {
      throw wrongBytes(name, `it is not zstd: ${reasonOf(thrown)}`)
    }
    throw thrown
  }
  const found = hash.digest("hex")
  if (length === sizeBytes && found === sha256) return
  throw wrongBytes(
    name,
    `it has ${length} bytes of sha256 ${found}, and the image's manifest says ${sizeBytes} of ${sha256}`,
  )
}

function wrongBytes(name: string, reason: string): Fault {
  return new Fault("artifact/wrong-bytes", `${name}, decompressed: ${reason}`, {
    hint: "whoever pushed it did not push what was signed; nothing was kept",
  })
}
