import { describe, expect, it } from "vitest"
import { parsePackages } from "../../builder/rootfs/debian-tree.ts"

describe("parsePackages", () => {
  it("reads name, version and sha256 of each .deb, with epochs, sorted by name", () => {
    const sums = `${"b".repeat(64)}  git_1%3a2.47.3-0+deb13u1_amd64.deb\n${"a".repeat(64)}  bash_5.2.37-2+b10_amd64.deb\n`
    expect(parsePackages(sums)).toEqual([
      { name: "bash", version: "5.2.37-2+b10", sha256: "a".repeat(64) },
      { name: "git", version: "1:2.47.3-0+deb13u1", sha256: "b".repeat(64) },
    ])
  })

  it("refuses a line that is no package file", () => {
    expect(() => parsePackages("no packages here\n")).toThrow(
      expect.objectContaining({ code: "build/odd-package" }),
    )
  })
})
