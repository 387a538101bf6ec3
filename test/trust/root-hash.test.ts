import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { toolsSandboxArgs } from "../../contract/tools-tree.ts"
import { openRootHasher } from "../../trust/image/root-hash.ts"
import { toolsDir } from "../machine/tools-home.ts"

describe.skipIf(toolsDir === null)("the root hash", () => {
  it.each([1, 2, 127, 128, 129, 128 * 128 + 1])("of %i blocks is veritysetup's", (blocks) => {
    const dir = mkdtempSync(join(tmpdir(), "stereo-verity-"))
    try {
      const data = Buffer.alloc(blocks * 4096)
      for (let block = 0; block < blocks; block += 1) data.writeUInt32LE(block + 7, block * 4096)
      writeFileSync(join(dir, "data"), data)
      const salt = "cd".repeat(32)
      const printed = execFileSync(
        "bwrap",
        [
          ...toolsSandboxArgs(toolsDir ?? ""),
          ...["--bind", dir, "/work", "--chdir", "/work", "--", "veritysetup", "format", "--no-superblock"],
          ...["--format=1", "--hash=sha256", `--salt=${salt}`, `--data-blocks=${blocks}`, "data", "tree"],
        ],
        { encoding: "utf8" },
      )
      const hasher = openRootHasher({ root_hash: "", salt, data_blocks: blocks, block_size_bytes: 4096 })
      // in pieces that end nowhere in particular, and with a tree behind them
      for (let at = 0; at < data.length; at += 10_007) hasher.add(data.subarray(at, at + 10_007))
      hasher.add(Buffer.alloc(9000, 1))
      expect(printed).toContain(`${hasher.digest()}`)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})
