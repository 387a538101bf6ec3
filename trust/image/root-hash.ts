/** The dm-verity root hash of a file system's blocks, computed as the kernel does (format 1, sha256, salt first). */

import { createHash } from "node:crypto"
import type { Manifest } from "../../contract/manifest.ts"

export interface RootHasher {
  /** Bytes of root.verity in their order; what lies behind the data blocks is not looked at. */
  add(chunk: Buffer): void
  /** Null: fewer bytes came than the manifest names. */
  digest(): string | null
}

export function openRootHasher({ salt, data_blocks, block_size_bytes }: Manifest["verity"]): RootHasher {
  const saltBytes = Buffer.from(salt, "hex")
  const hashBlock = (block: Buffer) => createHash("sha256").update(saltBytes).update(block).digest()
  const leaves: Buffer[] = []
  /** The beginning of a block whose end has not come yet. */
  let rest = Buffer.alloc(0)
  return {
    add: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      for (; at + block_size_bytes <= bytes.length && leaves.length < data_blocks; at += block_size_bytes) {
        leaves.push(hashBlock(bytes.subarray(at, at + block_size_bytes)))
      }
      // a copy: the caller may fill its chunk anew
      rest = leaves.length < data_blocks ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0)
    },
    digest: () => (leaves.length === data_blocks ? reduce(leaves, block_size_bytes, hashBlock) : null),
  }
}

/** Each level's hashes fill blocks, with zeros at the end of the last; the hash of the only block left is the root. */
function reduce(leaves: readonly Buffer[], blockBytes: number, hashBlock: (block: Buffer) => Buffer): string {
  let level = leaves
  while (level.length > 1) {
    const next: Buffer[] = []
    const perBlock = blockBytes / 32
    for (let at = 0; at < level.length; at += perBlock) {
      const block = Buffer.alloc(blockBytes)
      Buffer.concat(level.slice(at, at + perBlock)).copy(block)
      next.push(hashBlock(block))
    }
    level = next
  }
  return level[0]?.toString("hex") ?? ""
}
