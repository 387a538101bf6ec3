import { existsSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { compareArtifacts } from "../../builder/compare/compare-artifacts.ts"
import type { Inventory } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { sha256Of } from "./artifact-lab.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

const FILES = {
  root: { name: "root.verity", sha256: sha256Of("root") },
  inventory: { name: "inventory.json" },
}
const manifest = { files: FILES } as unknown as Manifest

// no diffoscope: what it adds is diffoscope.test.ts's
const path = process.env["PATH"]
const bare = openFolder()
for (const program of ["bwrap", "setpriv"]) linkProgram(program, bare.dir)
beforeAll(() => {
  process.env["PATH"] = bare.dir
})
afterAll(() => {
  process.env["PATH"] = path
  bare[Symbol.dispose]()
})

describe("compareArtifacts", () => {
  it("finds two artifacts of the same bytes the same", async () => {
    using folder = openPair()
    expect((await compare(folder)).files.map(({ name, same }) => [name, same])).toEqual([
      ["manifest.toml", true],
      ["root.verity", true],
      ["inventory.json", true],
    ])
  })

  it("names the first byte that differs, also beyond a megabyte", async () => {
    using folder = openPair()
    const bytes = Buffer.alloc(3_000_000)
    writeFileSync(join(folder.dir, "before/root.verity"), bytes)
    bytes[2_345_678] = 1
    writeFileSync(join(folder.dir, "after/root.verity"), bytes)
    const root = (await compare(folder)).files.find(({ name }) => name === "root.verity")
    expect(root).toMatchObject({ same: false })
    expect(root?.differences[1]).toBe("first differing byte: 2345678")
  })

  it("says where the shorter of two ends, and which file is not there at all", async () => {
    using folder = openPair()
    writeFileSync(join(folder.dir, "after/root.verity"), "ro")
    const short = (await compare(folder)).files.find(({ name }) => name === "root.verity")
    expect(short?.differences[0]).toBe("the same up to byte 2, where the shorter one ends")
    const gone = { ...manifest, files: { ...FILES, units: { name: "units.json" } } } as unknown as Manifest
    const units = (await compare(folder, gone)).files.find(({ name }) => name === "units.json")
    expect(units).toMatchObject({ same: false, sha256: { before: null, after: null } })
  })

  it("says of the root which paths differ, and in what", async () => {
    using folder = openPair()
    const entries = [
      { ...ENTRY, mode: 0o755 },
      { ...ENTRY, path: "/new" },
    ]
    folder.write("after/inventory.json", JSON.stringify({ schema: 1, entries }))
    const listed = (await compare(folder)).files.find(({ name }) => name === "inventory.json")
    expect(listed?.differences.slice(1)).toEqual([
      "/bin/x: mode 420 → 493",
      "/new: only in the rebuilt image",
    ])
  })

  it("says of the root whether the files in it differ, or only how the disk was written", async () => {
    using folder = openPair()
    folder.write("after/root.verity", "r00t")
    const rootOf = async () =>
      (await compare(folder)).files.find(({ name }) => name === "root.verity")?.differences
    expect((await rootOf())?.[1]).toMatch(/^inventory\.json is the same for both: /)
    folder.write("after/inventory.json", JSON.stringify({ schema: 1, entries: [] }))
    expect((await rootOf())?.[1]).toBe("the files in it that differ: below, at inventory.json")
  })

  it("tells a file that was changed later from one that was built otherwise", async () => {
    using folder = openPair()
    folder.write("before/root.verity", "rOOt")
    const root = (await compare(folder)).files.find(({ name }) => name === "root.verity")
    expect(root?.differences[0]).toBe(
      `changed since it was built: the image's manifest names sha256 ${sha256Of("root")}`,
    )
  })

  it("goes on where an inventory is none", async () => {
    using folder = openPair()
    for (const text of ["{", '{"schema":2}']) {
      folder.write("before/inventory.json", text)
      const listed = (await compare(folder)).files.find(({ name }) => name === "inventory.json")
      expect(listed?.differences.at(-1)).toMatch(/before\/inventory\.json is no inventory of this version$/)
    }
  })

  it("says once that diffoscope is not installed, and how it is, and only where something differs", async () => {
    using folder = openPair()
    expect((await compare(folder)).lacking).toBeNull()
    folder.write("after/manifest.toml", "n")
    expect(await compare(folder)).toMatchObject({
      lacking: "diffoscope is not installed, so contents are not compared: apt install diffoscope-minimal",
    })
  })
})

const ENTRY: Inventory["entries"][number] = {
  ...{ kind: "file", path: "/bin/x", origin: "deb:x", mode: 0o644, uid: 0, gid: 0 },
  ...{ sha256: "0".repeat(64), size_bytes: 1 },
}

function openPair(): TestFolder {
  const inventory = JSON.stringify({ schema: 1, entries: [ENTRY] })
  const files = { "manifest.toml": "m", "root.verity": "root", "inventory.json": inventory }
  const both = ["before", "after"].flatMap((side) =>
    Object.entries(files).map(([name, text]) => [`${side}/${name}`, text] as const),
  )
  return openFolder(Object.fromEntries(both))
}

function compare({ dir }: TestFolder, of: Manifest = manifest) {
  const signal = new AbortController().signal
  const logFile = join(dir, "log")
  return compareArtifacts({
    before: join(dir, "before"),
    after: join(dir, "after"),
    manifest: of,
    toolsDir: join(dir, "no-tools"),
    workDir: join(dir, "work"),
    logFile,
    signal,
  })
}

function linkProgram(program: string, dir: string): void {
  const found = (path ?? "").split(":").find((folder) => existsSync(join(folder, program)))
  if (found !== undefined) symlinkSync(join(found, program), join(dir, program))
}
