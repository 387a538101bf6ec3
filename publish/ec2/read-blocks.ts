/** A raw disk as EBS sees it: blocks of 512 KiB, of which those that hold only zeros need not exist. */

import { createHash } from "node:crypto"
import { type FileHandle, open } from "node:fs/promises"
import { Fault } from "../../contract/fault.ts"

/** The one size that the EBS direct APIs know, in bytes. */
export const BLOCK_BYTES = 524_288

const GIBIBYTE = 1_073_741_824

/** The sha256 (hex) of each block that is not all zero, by its index. */
export type BlockMap = ReadonlyMap<number, string>

export interface DiskBlocks {
  readonly sizeBytes: number
  /** Of the volume that it needs: EBS counts in whole GiB. */
  readonly volumeGib: number
  readonly blocks: BlockMap
}

const ZEROS = Buffer.alloc(BLOCK_BYTES)

export const ZERO_SHA256 = createHash("sha256").update(ZEROS).digest("hex")

/** Reads the whole file once. The last block counts as if zeros filled it up. */
export async function readBlocks(path: string, signal: AbortSignal): Promise<DiskBlocks> {
  await using file = await open(path)
  const { size } = await file.stat()
  const blocks = new Map<number, string>()
  for (let index = 0; index * BLOCK_BYTES < size; index += 1) {
    signal.throwIfAborted()
    const block = await readBlock(file, index)
    if (!block.equals(ZEROS)) blocks.set(index, createHash("sha256").update(block).digest("hex"))
  }
  return { sizeBytes: size, volumeGib: Math.max(1, Math.ceil(size / GIBIBYTE)), blocks }
}

/** The block, filled up with zeros at the file's end. */
export async function readBlock(file: FileHandle, index: number): Promise<Buffer> {
  const block = Buffer.alloc(BLOCK_BYTES)
  let filled = 0
  while (filled < BLOCK_BYTES) {
    const { bytesRead } = await file.read(block, filled, BLOCK_BYTES - filled, index * BLOCK_BYTES + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return block
}

/** The block again, which must be what was read before. Faults: `ec2/disk-changed`. */
export async function readSameBlock(file: FileHandle, index: number, sha256: string): Promise<Buffer> {
  const block = await readBlock(file, index)
  if (createHash("sha256").update(block).digest("hex") === sha256) return block
  throw new Fault(
    "ec2/disk-changed",
    `the disk changed while it was published: its block ${index} is another`,
    {
      hint: "leave the file alone until the command has ended, and run it again",
    },
  )
}
