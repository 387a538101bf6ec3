import { describe, expect, it } from "vitest"
import { summariseSizes } from "../../cli/images/summarise-sizes.ts"
import type { Inventory, InventoryEntry } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { stereoIn } from "./run-stereo.ts"

const file = (path: string, origin: string, size: number): InventoryEntry => {
  return { kind: "file", path, origin, mode: 0o644, uid: 0, gid: 0, sha256: "0".repeat(64), size_bytes: size }
}
const inventory: Inventory = {
  schema: 1,
  entries: [
    { kind: "directory", path: "/usr", origin: "deb:one", mode: 0o755, uid: 0, gid: 0 },
    file("/usr/a", "deb:one", 10),
    file("/usr/b", "npm:two", 100),
    file("/usr/c", "deb:one", 30),
    { kind: "link", path: "/usr/d", origin: "deb:one", target: "c" },
    file("/usr/e", "definition:images/base/files/usr/e", 60),
  ],
}
const artifact = (name: string, size_bytes: number) => ({ name, sha256: "0".repeat(64), size_bytes })
const manifest = {
  // of the manifest only the files are read
  files: {
    kernel: artifact("vmlinuz", 20),
    root: artifact("root.verity", 50),
    units: artifact("units.json", 1),
  },
} as unknown as Manifest

describe("the sizes of an image", () => {
  const summary = summariseSizes(manifest, inventory, 2)

  it("are those of its files on the disk, the largest first", () => {
    expect(summary.sizeBytes).toBe(71)
    expect(summary.artifact.map(({ name }) => name)).toEqual(["root.verity", "vmlinuz", "units.json"])
  })

  it("are given by what accounts for each file, with nothing left out", () => {
    expect(summary.origins).toEqual([
      { origin: "npm:two", files: 1, sizeBytes: 100 },
      { origin: "definition:images/base/files/usr/e", files: 1, sizeBytes: 60 },
      { origin: "deb:one", files: 2, sizeBytes: 40 },
    ])
    expect(summary.origins.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(summary.rootBytes)
    expect(summary.ratio).toBe(50 / 200)
  })

  it("name as many of the largest files as are asked for", () => {
    expect(summary.largest.map(({ path }) => path)).toEqual(["/usr/b", "/usr/e"])
  })
})

it("stereo images size takes a count, and says of an image that is not built how to build one", async () => {
  const ran = await stereoIn("/nonexistent-home", ["images", "size", "base", "--top", "none"])
  expect(ran).toMatchObject({ code: 64 })
  expect(await stereoIn("/nonexistent-home", ["images", "size", "base"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/image\/not-built[\s\S]*no image is built yet; `stereo build NAME`/),
  })
})
