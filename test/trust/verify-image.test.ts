import { execFileSync } from "node:child_process"
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { basename, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { readImage } from "../../machine/image/read-image.ts"
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

const changed = (file: string) => join(image.dir, file)

describe("an image as it was signed", () => {
  it("is verified, and says by whom and from what", async () => {
    expect(await verify()).toMatchObject({
      kind: "verified",
      digest: image.digest,
      vouchers: [{ kind: "key", name: "own" }],
      manifest: { name: "base" },
    })
    expect(await verify(image.dir, "start")).toMatchObject({ kind: "verified" })
    expect((await readImage(store.home, "base")).dir).toContain(image.digest)
    expect((await readImage(store.home, image.digest)).dir).toContain(image.digest)
  })
})

type Attack = readonly [
  what: string,
  finding: string,
  attack: () => void,
  besides: { readonly bootsAnyway: boolean },
]

/** What somebody may do to an image who can write to its folder but has no trusted key. */
const ATTACKS: readonly Attack[] = [
  [
    "a kernel swapped for one as long",
    "wrong-hash vmlinux",
    () => writeFileSync(changed("vmlinux"), "A kernel"),
    { bootsAnyway: false },
  ],
  [
    "a longer kernel",
    "wrong-size vmlinux",
    () => appendFileSync(changed("vmlinux"), "!"),
    { bootsAnyway: false },
  ],
  [
    "a shorter initramfs",
    "wrong-size initramfs.cpio.zst",
    () => truncateSync(changed("initramfs.cpio.zst"), 3),
    { bootsAnyway: false },
  ],
  [
    "an initramfs that is gone",
    "missing-file initramfs.cpio.zst",
    () => rmSync(changed("initramfs.cpio.zst")),
    { bootsAnyway: false },
  ],
  [
    "a symbolic link to the same bytes",
    "not-a-plain-file vmlinux",
    () => {
      renameSync(changed("vmlinux"), join(store.home.root, "elsewhere"))
      symlinkSync(join(store.home.root, "elsewhere"), changed("vmlinux"))
    },
    { bootsAnyway: false },
  ],
  [
    "a pipe, which would never end",
    "not-a-plain-file units.json",
    () => {
      rmSync(changed("units.json"))
      execFileSync("mkfifo", [changed("units.json")])
    },
    { bootsAnyway: false },
  ],
  [
    "a folder in a file's place",
    "not-a-plain-file ruleset.json",
    () => {
      rmSync(changed("ruleset.json"))
      mkdirSync(changed("ruleset.json"))
    },
    { bootsAnyway: false },
  ],
  [
    "a huge hole behind the kernel",
    "wrong-size vmlinux",
    () => truncateSync(changed("vmlinux"), 2 ** 40),
    { bootsAnyway: false },
  ],
  [
    "a manifest of a terabyte",
    "wrong-size manifest.toml",
    () => truncateSync(changed("manifest.toml"), 2 ** 40),
    { bootsAnyway: false },
  ],
  [
    "provenance of a terabyte",
    "wrong-size provenance.dsse.json",
    () => truncateSync(changed("provenance.dsse.json"), 2 ** 40),
    { bootsAnyway: false },
  ],
  [
    "no provenance",
    "no-provenance provenance.dsse.json",
    () => rmSync(changed("provenance.dsse.json")),
    { bootsAnyway: false },
  ],
  [
    "provenance by way of a link",
    "not-a-plain-file provenance.dsse.json",
    () => {
      renameSync(changed("provenance.dsse.json"), join(store.home.root, "elsewhere"))
      symlinkSync(join(store.home.root, "elsewhere"), changed("provenance.dsse.json"))
    },
    { bootsAnyway: false },
  ],
  [
    "a link in place of a keyless signature",
    "not-a-plain-file provenance.sigstore.json",
    () => symlinkSync(join(store.home.root, "elsewhere"), changed("provenance.sigstore.json")),
    { bootsAnyway: true },
  ],
  [
    "a manifest with a key more",
    "bad-manifest manifest.toml",
    () =>
      writeFileSync(
        changed("manifest.toml"),
        `extra = true\n${readFileSync(changed("manifest.toml"), "utf8")}`,
      ),
    { bootsAnyway: false },
  ],
  [
    "a manifest that says more memory",
    "wrong-digest manifest.toml",
    () => replaceIn("manifest.toml", "memory_mib = 256", "memory_mib = 512"),
    { bootsAnyway: false },
  ],
  [
    "a byte of the root disk flipped",
    "wrong-hash root.verity",
    () => flip("root.verity"),
    { bootsAnyway: true },
  ],
  [
    "a file beside that nobody signed",
    "unexpected-file run.sh",
    () => writeFileSync(changed("run.sh"), ""),
    { bootsAnyway: true },
  ],
]

function replaceIn(file: string, before: string, after: string): void {
  const text = readFileSync(changed(file), "utf8")
  expect(text).toContain(before)
  writeFileSync(changed(file), text.replace(before, after))
}

function flip(file: string): void {
  const bytes = readFileSync(changed(file))
  bytes[5000] = (bytes[5000] ?? 0) ^ 1
  writeFileSync(changed(file), bytes)
}

describe("an image that was changed", () => {
  it.each(ATTACKS)("%s: is not verified", async (_what, expected, attack, { bootsAnyway }) => {
    attack()
    expect(kinds(await verify())).toContain(expected)
    // the root disk's blocks are the kernel's to check, and a file beside is never opened
    if (bootsAnyway) return expect(await verify(image.dir, "start")).toMatchObject({ kind: "verified" })
    await expect(readImage(store.home, "base")).rejects.toMatchObject({ code: "image/not-verified" })
  })

  it("names each file that is not as signed", async () => {
    flip("root.verity")
    appendFileSync(changed("firewall.nft"), "accept")
    rmSync(changed("provenance.dsse.json"))
    expect(kinds(await verify())).toEqual([
      "no-provenance provenance.dsse.json",
      "wrong-size firewall.nft",
      "wrong-hash root.verity",
      "wrong-root-hash root.verity",
    ])
  })

  it("says what to do: one without provenance is to be built again", async () => {
    rmSync(changed("provenance.dsse.json"))
    await expect(readImage(store.home, "base")).rejects.toMatchObject({
      code: "image/not-verified",
      message: expect.stringContaining("provenance.dsse.json: it is not there"),
      hint: expect.stringContaining("stereo build base"),
    })
  })
})

describe("provenance of something else", () => {
  it("another image's, put beside, is refused", async () => {
    const other = await store.store("other")
    cpSync(join(other.dir, "provenance.dsse.json"), changed("provenance.dsse.json"))
    expect(kinds(await verify())).toContain("wrong-subject manifest.toml")
  })

  it("another image, whole and signed, under this one's name is refused", async () => {
    const other = await store.store("other")
    const link = join(store.home.images, "by-name", "base")
    rmSync(link)
    symlinkSync(join("..", "by-digest", other.digest), link)
    expect(kinds(await verify(other.dir))).toEqual(["wrong-name manifest.toml"])
    await expect(readImage(store.home, "base")).rejects.toThrow(
      /it is the image other, and it was asked for as base/,
    )
  })

  it("an older image under its own name starts: only a digest pins one", async () => {
    const newer = await store.store("base", (same) => ({ ...same, env: { NEWER: "1" } }))
    expect(newer.digest).not.toBe(image.digest)
    const link = join(store.home.images, "by-name", "base")
    rmSync(link)
    symlinkSync(join("..", "by-digest", image.digest), link)
    expect(basename((await readImage(store.home, "base")).dir)).toBe(image.digest)
    expect(basename((await readImage(store.home, newer.digest)).dir)).toBe(newer.digest)
  })

  it("a folder that is called otherwise than its manifest's digest is refused", async () => {
    const dir = join(store.home.images, "by-digest", "e".repeat(64))
    cpSync(image.dir, dir, { recursive: true })
    expect(kinds(await verify(dir))).toEqual(["wrong-digest manifest.toml"])
  })

  it("a key that is not trusted here is named, with how to trust it", async () => {
    using elsewhere = openTestStore()
    await signFolder(elsewhere.home, image.dir)
    expect(kinds(await verify())).toEqual(["unknown-key provenance.dsse.json"])
    await expect(readImage(store.home, "base")).rejects.toMatchObject({
      hint: expect.stringContaining("stereo keys trust FILE"),
    })
  })
})
