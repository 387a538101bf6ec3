import { describe, expect, it } from "vitest"
import { mergePackages } from "../../builder/rootfs/merge-packages.ts"
import type { UnpackedDeb } from "../../builder/rootfs/unpack-debs.ts"
import type { TreeEntry } from "../../builder/tree.ts"

const FOLDER: TreeEntry = { kind: "directory", mode: 0o755, uid: 0, gid: 0 }

describe("mergePackages", () => {
  it("puts what a package still names by the old place where base-files' link leads", () => {
    const { tree, owners } = mergePackages([
      unpacked("tool", { "/lib": FOLDER, "/lib/tool": FOLDER, "/lib/tool/x": file("x"), "/usr/lib": FOLDER }),
      unpacked("base-files", { "/lib": { kind: "link", target: "usr/lib" }, "/usr/lib": FOLDER }),
    ])
    expect(tree.get("/lib")).toEqual({ kind: "link", target: "usr/lib" })
    expect([...tree.keys()].filter((path) => path.startsWith("/lib/"))).toEqual([])
    expect(owners.get("/usr/lib/tool/x")).toBe("tool")
    expect(owners.get("/usr/lib")).toBe("base-files")
  })

  it("gives the same in whatever order packages come", () => {
    const packages = [
      unpacked("a", { "/usr": { ...FOLDER, mode: 0o700 }, "/usr/a": file("a") }),
      unpacked("b", { "/usr": FOLDER, "/usr/b": file("b") }),
      unpacked("base-files", { "/usr": { ...FOLDER, mode: 0o711 } }),
    ]
    const [one, other] = [mergePackages(packages), mergePackages(packages.toReversed())]
    expect([...one.owners].sort()).toEqual([...other.owners].sort())
    expect(one.packages).toEqual(other.packages)
    expect(one.tree.get("/usr")).toMatchObject({ mode: 0o711 })
  })

  it("takes a file from the package that says it replaces the other's, whichever comes first", () => {
    for (const [first, second] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      const { tree, owners } = mergePackages([
        unpacked(first, { "/usr/x": file("old") }),
        unpacked(second, { "/usr/x": file("new") }, [first]),
      ])
      expect(owners.get("/usr/x")).toBe(second)
      expect(tree.get("/usr/x")).toEqual(file("new"))
    }
  })

  it("refuses a file that two packages have and neither replaces", () => {
    const packages = [unpacked("a", { "/usr/x": file("1") }), unpacked("b", { "/usr/x": file("2") })]
    expect(() => mergePackages(packages)).toThrow(
      expect.objectContaining({
        code: "rootfs/two-owners",
        message: expect.stringContaining("/usr/x is in two packages, a and b"),
      }),
    )
  })

  it("finds a copyright file in its own folder, and in that of the package that it links to", () => {
    const { packages } = mergePackages([
      unpacked("lib", { "/usr/share/doc/lib": { kind: "link", target: "lib-base" } }),
      unpacked("lib-base", { "/usr/share/doc/lib-base/copyright": file("GPL") }),
      unpacked("none", {}),
    ])
    expect(packages.map(({ name, copyright }) => [name, copyright])).toEqual([
      ["lib", "GPL"],
      ["lib-base", "GPL"],
      ["none", null],
    ])
  })
})

function unpacked(
  name: string,
  entries: Readonly<Record<string, TreeEntry>>,
  replaces: string[] = [],
): UnpackedDeb {
  const facts = { version: "1", arch: "all", sha256: "0", source: name, sourceVersion: "1", section: "misc" }
  return {
    record: { name, ...facts, maintainer: "m", homepage: null, description: "d" },
    replaces,
    tree: new Map(Object.entries(entries)),
  }
}

function file(text: string): TreeEntry {
  const bytes = Buffer.from(text)
  return { kind: "file", mode: 0o644, uid: 0, gid: 0, content: { bytes, sizeBytes: bytes.length } }
}
