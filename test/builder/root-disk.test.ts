import { existsSync, openSync, readFileSync, readSync, writeSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { makeRoot, type RootRecord } from "../../builder/artifact/make-root.ts"
import { readRootFiles } from "../../builder/read-root-files.ts"
import { runTool } from "../../builder/tools-tree.ts"
import { writeTree } from "../../builder/tree.ts"
import { homeLayout } from "../../contract/home.ts"
import { currentToolsTree } from "../../contract/tools-tree.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

const home = homeLayout(resolve(process.env["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo")))
const toolsDir = currentToolsTree(home)
const skipped = existsSync(toolsDir) ? null : "there is no tools tree: `stereo setup` makes it"
if (skipped) process.stderr.write(`root-disk.test.ts is skipped: ${skipped}\n`)

describe.skipIf(skipped !== null)(`the root disk${skipped ? ` (${skipped})` : ""}`, () => {
  it.each(["lz4hc", "zstd"] as const)(
    "is the same file twice for the same tree (%s)",
    async (compression) => {
      using first = openFolder()
      using second = openFolder()
      const one = await makeDisk(first, compression)
      const other = await makeDisk(second, compression)
      expect(other.record).toEqual(one.record)
      expect(readFileSync(other.disk).equals(readFileSync(one.disk))).toBe(true)
    },
  )

  it("holds the tree before its hashes: verification passes, and one changed bit fails it", async () => {
    using folder = openFolder()
    const { disk, record } = await makeDisk(folder, "lz4hc")
    await expect(verify(folder, record)).resolves.toBeDefined()
    flipBit(disk, 5000)
    await expect(verify(folder, record)).rejects.toMatchObject({ code: "build/command-failed" })
  })

  it("gives its files without being mounted, and tells one that is not there from a disk that is none", async () => {
    using folder = openFolder()
    using scratch = openFolder()
    const { disk } = await makeDisk(folder, "zstd")
    const read = (rootDisk: string, paths: string[]) =>
      readRootFiles({ ...runnerIn(scratch), rootDisk, paths, toolsDir, dir: scratch.dir })
    const files = await read(disk, ["/file", "/nothing"])
    expect(files.get("/file")?.length).toBe(300_000)
    expect(files.get("/nothing")).toBeNull()
    await expect(read(disk, ["/"])).rejects.toMatchObject({ code: "image/unreadable-root" })
    const none = join(folder.dir, "root.tar")
    await expect(read(none, ["/file"])).rejects.toMatchObject({ code: "build/command-failed" })
  })

  it("fails verification when a hash was changed instead", async () => {
    using folder = openFolder()
    const { disk, record } = await makeDisk(folder, "lz4hc")
    flipBit(disk, record.dataBlocks * 4096 + 7)
    await expect(verify(folder, record)).rejects.toMatchObject({ code: "build/command-failed" })
  })
})

async function makeDisk(
  folder: TestFolder,
  compression: "lz4hc" | "zstd",
): Promise<{ disk: string; record: RootRecord }> {
  const bytes = Buffer.alloc(300_000, "some text that compresses ")
  const tar = join(folder.dir, "root.tar")
  await writeTree(
    new Map([
      ["/file", { kind: "file", mode: 0o644, uid: 0, gid: 0, content: { bytes, sizeBytes: bytes.length } }],
    ]),
    tar,
  )
  const tarSha256 = "ab".repeat(32)
  await makeRoot({ ...runnerIn(folder), tar, tarSha256, compression, toolsDir, dir: folder.dir })
  const record: RootRecord = JSON.parse(readFileSync(join(folder.dir, "root.json"), "utf8"))
  return { disk: join(folder.dir, "root.verity"), record }
}

function verify(folder: TestFolder, record: RootRecord): Promise<string> {
  return runTool(toolsDir, {
    ...runnerIn(folder),
    purpose: "checking the disk",
    workDir: folder.dir,
    command: [
      "veritysetup",
      ...["verify", "--no-superblock", "--format=1", "--hash=sha256", `--salt=${record.salt}`],
      ...[`--data-blocks=${record.dataBlocks}`, `--hash-offset=${record.dataBlocks * 4096}`],
      ...["root.verity", "root.verity", record.rootHash],
    ],
  })
}

function flipBit(file: string, at: number): void {
  const handle = openSync(file, "r+")
  const byte = Buffer.alloc(1)
  readSync(handle, byte, 0, 1, at)
  byte.writeUInt8(byte.readUInt8(0) ^ 1, 0)
  writeSync(handle, byte, 0, 1, at)
}

function runnerIn(folder: TestFolder): { logFile: string; signal: AbortSignal } {
  return { logFile: join(folder.dir, "log"), signal: new AbortController().signal }
}
