import { createHash } from "node:crypto"
import { createWriteStream, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { pack } from "tar-stream"
import { describe, expect, it } from "vitest"
import { neededLibraries } from "../../builder/elf.ts"
import { readContent, readTree, type Tree, type TreeEntry, writeTree } from "../../builder/tree.ts"
import { openFolder } from "./project-folder.ts"

const LONG = `/usr/share/${"long-folder/".repeat(20)}file`
const TEXTS: Readonly<Record<string, string>> = {
  "/a": "a",
  "/empty": "",
  "/block": "x".repeat(512),
  "/more": "y".repeat(200_000),
  "/usr/share/é ü": "a name that is no ASCII",
  [LONG]: "a name that needs a header of its own",
}

describe("a tree whose files stay in the archive", () => {
  it("has the same bytes, and is written as the same archive, as one that is held in memory", async () => {
    using folder = openFolder()
    const tar = join(folder.dir, "tree.tar")
    const sha256 = await writeTree(treeOf(TEXTS), tar)
    expect(sha256).toBe(createHash("sha256").update(readFileSync(tar)).digest("hex"))
    const left = await readTree(tar, keepAll, () => false)
    expect(await textsOf(left)).toEqual(TEXTS)
    expect([...left.values()].every((entry) => entry.kind !== "file" || !("bytes" in entry.content))).toBe(
      true,
    )
    expect(await writeTree(left, join(folder.dir, "again.tar"))).toBe(sha256)
  })

  it("is held as far as is asked", async () => {
    using folder = openFolder()
    const tar = join(folder.dir, "tree.tar")
    await writeTree(treeOf(TEXTS), tar)
    const tree = await readTree(tar, keepAll, (path, sizeBytes) => path !== "/a" && sizeBytes <= 512)
    const held = [...tree].filter(([, entry]) => entry.kind === "file" && "bytes" in entry.content)
    expect(held.map(([path]) => path).sort()).toEqual(["/block", "/empty", LONG, "/usr/share/é ü"].sort())
    expect(await textsOf(tree)).toEqual(TEXTS)
  })
})

describe("an archive", () => {
  it.each([
    ["is gone", null, "ENOENT"],
    ["has become shorter", "12", "fewer"],
    ["has become longer", "1234567", "more"],
  ])("is not written of a file that %s, and says which", async (_what, text, why) => {
    using folder = openFolder()
    const file = join(folder.dir, "source")
    if (text !== null) writeFileSync(file, text)
    const tree: Tree = new Map([["/usr/lib/x", fileOf({ file, sizeBytes: 5 })]])
    await expect(writeTree(tree, join(folder.dir, "out.tar"))).rejects.toMatchObject({
      code: "seal/unwritable",
      message: expect.stringMatching(new RegExp(`\\./usr/lib/x .*${why}`)),
    })
  })

  it("is refused, and not waited for without end, where a folder says that it has bytes", async () => {
    using folder = openFolder()
    const tar = join(folder.dir, "odd.tar")
    const writer = pack()
    const writing = pipeline(writer, createWriteStream(tar))
    writer.entry({ name: "d", type: "file" }, "1234")
    writer.entry({ name: "e", type: "file" }, "5")
    writer.finalize()
    await writing
    const bytes = readFileSync(tar)
    // its type says folder now, and the sum of its header is made right
    bytes.write("5", 156)
    bytes.write(`${sumOf(bytes.subarray(0, 512)).toString(8).padStart(6, "0")}\0 `, 148)
    writeFileSync(tar, bytes)
    await expect(readTree(tar, keepAll)).rejects.toMatchObject({ code: "seal/bad-archive" })
  })
})

describe("the libraries that a program needs", () => {
  const program = readFileSync("/bin/true")

  it("are read from the file as from memory", () => {
    const names = neededLibraries("/bin/true", readerOf(program))
    expect(names).toContain("libc.so.6")
    expect(names.every((name) => /^[\w.+-]+$/.test(name))).toBe(true)
  })

  it("are refused, with the program's path, where a name has no end", () => {
    const at = program.indexOf("libc.so.6\0")
    const cut = (from: number, sizeBytes: number) =>
      // the part that holds the names ends in the middle of one
      from <= at && from + sizeBytes > at && sizeBytes < 65_536
        ? program.subarray(from, at + 4)
        : program.subarray(from, from + sizeBytes)
    expect(() => neededLibraries("/usr/bin/odd", cut)).toThrow(
      expect.objectContaining({ code: "seal/bad-elf", message: expect.stringContaining("/usr/bin/odd") }),
    )
  })
})

function keepAll(): boolean {
  return false
}

function fileOf(content: Extract<TreeEntry, { kind: "file" }>["content"]): TreeEntry {
  return { kind: "file", mode: 0o644, uid: 0, gid: 0, content }
}

function treeOf(texts: Readonly<Record<string, string>>): Tree {
  const files = Object.entries(texts).map(([path, text]): [string, TreeEntry] => {
    const bytes = Buffer.from(text)
    return [path, fileOf({ bytes, sizeBytes: bytes.length })]
  })
  return new Map([...files, ["/link", { kind: "link", target: LONG }]])
}

async function textsOf(tree: Tree): Promise<Record<string, string>> {
  const texts: Record<string, string> = {}
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") continue
    const pieces: Buffer[] = []
    for await (const piece of readContent(entry.content)) pieces.push(piece)
    texts[path] = Buffer.concat(pieces).toString()
  }
  return texts
}

function sumOf(header: Buffer): number {
  // the sum's own field counts as blanks
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0)
}

function readerOf(bytes: Buffer) {
  return (at: number, sizeBytes: number) => bytes.subarray(at, at + sizeBytes)
}
