import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { compareArtifacts } from "../../builder/compare/compare-artifacts.ts"
import type { Inventory } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

const FILES = { root: { name: "root.verity" }, inventory: { name: "inventory.json" } }
const manifest = { files: FILES } as unknown as Manifest

describe("compareArtifacts", () => {
  it("finds two artifacts of the same bytes the same", async () => {
    using folder = openPair()
    expect((await compare(folder)).map(({ name, same }) => [name, same])).toEqual([
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
    const root = (await compare(folder)).find(({ name }) => name === "root.verity")
    expect(root).toMatchObject({ same: false })
    expect(root?.differences[0]).toBe("first differing byte: 2345678")
  })

  it("says where the shorter of two ends, and which file is not there at all", async () => {
    using folder = openPair()
    writeFileSync(join(folder.dir, "after/root.verity"), "ro")
    const short = (await compare(folder)).find(({ name }) => name === "root.verity")
    expect(short?.differences[0]).toBe("the same up to byte 2, where the shorter one ends")
    const gone = { ...manifest, files: { ...FILES, units: { name: "units.json" } } } as unknown as Manifest
    const units = (await compare(folder, gone)).find(({ name }) => name === "units.json")
    expect(units).toMatchObject({ same: false, sha256: { before: null, after: null } })
  })

  it("says of the root which paths differ, and in what", async () => {
    using folder = openPair()
    const entries = [
      { ...ENTRY, mode: 0o755 },
      { ...ENTRY, path: "/new" },
    ]
    folder.write("after/inventory.json", JSON.stringify({ schema: 1, entries }))
    const listed = (await compare(folder)).find(({ name }) => name === "inventory.json")
    expect(listed?.differences.slice(1)).toEqual([
      "/bin/x: mode 420 → 493",
      "/new: only in the rebuilt image",
    ])
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
    logFile,
    signal,
  })
}
