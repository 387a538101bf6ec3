/** Reads files of a folder that somebody else may have filled: plain files only, no link followed, sizes bounded. */

import { createHash } from "node:crypto"
import { constants } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { join } from "node:path"
import type { Finding } from "../verification.ts"

/** Not by way of a link, and without waiting for the other end of a pipe. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

const CHUNK_BYTES = 1 << 20

export type Read =
  | { readonly kind: "read"; readonly bytes: Buffer }
  | { readonly kind: "finding"; readonly finding: Finding }

/** The whole file, if it has at most `maxBytes`. */
export async function readPlainFile(dir: string, file: string, maxBytes: number): Promise<Read> {
  const opened = await openPlain(dir, file)
  if (opened.kind === "finding") return opened
  await using handle = opened.handle
  const { sizeBytes } = opened
  if (sizeBytes > maxBytes) {
    const reason = `it has ${sizeBytes} bytes, expected at most ${maxBytes}`
    return { kind: "finding", finding: { kind: "wrong-size", file, reason } }
  }
  // one byte more than it said: it may grow while it is read
  const bytes = Buffer.alloc(sizeBytes + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length)
    length += bytesRead
    if (bytesRead === 0 || length === bytes.length) break
  }
  if (length === sizeBytes) return { kind: "read", bytes: bytes.subarray(0, length) }
  return {
    kind: "finding",
    finding: { kind: "wrong-size", file, reason: "its size changed while it was read" },
  }
}

export interface ExpectedFile {
  readonly name: string
  readonly sha256: string
  readonly size_bytes: number
}

/** Null: it is what it should be. `each` sees the bytes as they are read; null: only its size is looked at. */
export async function checkPlainFile(
  dir: string,
  expected: ExpectedFile,
  depth: "size" | "bytes",
  each: (chunk: Buffer) => void = () => undefined,
): Promise<Finding | null> {
  const file = expected.name
  const opened = await openPlain(dir, file)
  if (opened.kind === "finding") return opened.finding
  await using handle = opened.handle
  const wrongSize = (bytes: number): Finding => {
    const reason = `it has ${bytes} bytes, and the manifest says ${expected.size_bytes}`
    return { kind: "wrong-size", file, reason }
  }
  if (opened.sizeBytes !== expected.size_bytes) return wrongSize(opened.sizeBytes)
  if (depth === "size") return null
  const hash = createHash("sha256")
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(expected.size_bytes, 1)))
  for (let left = expected.size_bytes; left > 0; ) {
    const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, left))
    if (bytesRead === 0) return wrongSize(expected.size_bytes - left)
    hash.update(chunk.subarray(0, bytesRead))
    each(chunk.subarray(0, bytesRead))
    left -= bytesRead
  }
  const sha256 = hash.digest("hex")
  if (sha256 === expected.sha256) return null
  const reason = `its sha256 is ${sha256}, and the manifest says ${expected.sha256}`
  return { kind: "wrong-hash", file, reason }
}

type Opened =
  | { readonly kind: "opened"; readonly handle: FileHandle; readonly sizeBytes: number }
  | { readonly kind: "finding"; readonly finding: Finding }

async function openPlain(dir: string, file: string): Promise<Opened> {
  const finding = (kind: Finding["kind"], reason: string): Opened => ({
    kind: "finding",
    finding: { kind, file, reason },
  })
  let handle: FileHandle
  try {
    handle = await open(join(dir, file), FLAGS)
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : null
    if (code === "ENOENT") return finding("missing-file", "it is not there")
    if (code === "ELOOP") return finding("not-a-plain-file", "it is a symbolic link")
    if (code === "ENXIO") return finding("not-a-plain-file", "it is a socket or a device")
    throw thrown
  }
  const found = await handle.stat()
  if (found.isFile()) return { kind: "opened", handle, sizeBytes: found.size }
  await handle.close()
  return finding("not-a-plain-file", found.isDirectory() ? "it is a folder" : "it is a pipe or a device")
}
