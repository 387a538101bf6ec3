import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Manifest } from "../../contract/manifest.ts"
import { type ImageFolder, openTestStore, signFolder, type TestStore } from "./image-folder.ts"
import { kinds, verifyFolder } from "./verify-folder.ts"

let store: TestStore
let image: ImageFolder

beforeEach(async () => {
  store = openTestStore()
  image = await store.store("base")
})
afterEach(() => store[Symbol.dispose]())

const verify = (dir = image.dir, depth: "start" | "all" = "all") => verifyFolder(store, dir, depth)

describe("a statement that does not fit, although a trusted key signed it", () => {
  it.each([
    ["a file less", (subject: Subjects) => subject.slice(0, -1), "wrong-subject sbom.cdx.json"],
    [
      "a file more",
      (subject: Subjects) => [...subject, { name: "x", digest: { sha256: "00" } }],
      "wrong-subject x",
    ],
    [
      "a file twice",
      (subject: Subjects) => [...subject, ...subject.slice(-1)],
      "wrong-subject manifest.toml",
    ],
    ["no manifest", (subject: Subjects) => subject.slice(1), "wrong-subject manifest.toml"],
    [
      "another digest",
      (subject: Subjects) =>
        subject.map((one) => (one.name === "vmlinux" ? { ...one, digest: { sha256: "00" } } : one)),
      "wrong-subject vmlinux",
    ],
  ])("%s is refused", async (_what, change, expected) => {
    await signFolder(store.home, image.dir, (statement) => ({
      ...statement,
      subject: change(statement.subject),
    }))
    expect(kinds(await verify())).toContain(expected)
  })

  it("of another image's name or plan is refused", async () => {
    await signFolder(store.home, image.dir, (statement) => {
      statement.predicate.buildDefinition.externalParameters.image = "other"
      statement.predicate.buildDefinition.internalParameters.plan = "0"
      return statement
    })
    expect(kinds(await verify())).toEqual(["bad-statement manifest.toml", "bad-statement manifest.toml"])
  })
})

type Subjects = { name: string; digest: Record<string, string> }[]

describe("a manifest that contradicts itself, although a trusted key signed it", () => {
  it.each([
    [
      "what a machine is measured against",
      (same: Manifest) => ({ ...same, measurements: { ...same.measurements, units_sha256: "0".repeat(64) } }),
      "wrong-measurement units.json",
    ],
    [
      "the root on the command line",
      (same: Manifest) => ({
        ...same,
        kernel: { ...same.kernel, command_line: `quiet stereo.root=${"0".repeat(64)}:00:1` },
      }),
      "wrong-root-hash manifest.toml",
    ],
    [
      "a second root on the command line",
      (same: Manifest) => ({
        ...same,
        kernel: { ...same.kernel, command_line: `${same.kernel.command_line} ${same.kernel.command_line}` },
      }),
      "wrong-root-hash manifest.toml",
    ],
    [
      "one file for two purposes",
      (same: Manifest) => ({ ...same, files: { ...same.files, initramfs: same.files.kernel } }),
      "bad-manifest vmlinux",
    ],
  ])("in %s is refused", async (_what, change, expected) => {
    const { dir } = await store.store("base", change)
    expect(kinds(await verify(dir))).toContain(expected)
    expect((await verify(dir, "start")).kind).toBe("refused")
  })

  it("in the root hash is found when it is computed anew", async () => {
    const { dir } = await store.store("base", (same) => {
      const root_hash = "1".repeat(64)
      const command_line = `stereo.root=${root_hash}:${same.verity.salt}:${same.verity.data_blocks}`
      return { ...same, verity: { ...same.verity, root_hash }, kernel: { ...same.kernel, command_line } }
    })
    expect(kinds(await verify(dir))).toEqual(["wrong-root-hash root.verity"])
  })
})
