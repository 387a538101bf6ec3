import {
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { stringify } from "smol-toml"
import { describe, expect, it } from "vitest"
import { listImages, readImage, storeImage } from "../../builder/image-store.ts"
import { homeLayout } from "../../contract/home.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { openFolder } from "./project-folder.ts"

describe("the image store", () => {
  it("finds a stored image by name, by digest and by the beginning of its digest", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const stored = await storeImage(home, "base", writeImage("1"))
    expect(stored.sizeBytes).toBe(26)
    for (const reference of ["base", stored.digest, stored.digest.slice(0, 8)]) {
      expect((await readImage(home, reference)).dir).toBe(stored.dir)
    }
  })

  it("moves the name to the newer image and leaves the older one to machines that run it", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const older = await storeImage(home, "base", writeImage("1"))
    const newer = await storeImage(home, "base", writeImage("2"))
    expect(newer.digest).not.toBe(older.digest)
    expect((await readImage(home, "base")).digest).toBe(newer.digest)
    expect(readdirSync(older.dir)).toContain("manifest.toml")
  })

  it("removes the oldest of the images that no name points at, and never a named one", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const kept = await storeImage(home, "kept", writeImage("kept"))
    const made: string[] = []
    for (let build = 0; build < 11; build += 1) {
      made.push((await storeImage(home, "base", writeImage(String(build)))).digest)
    }
    const left = readdirSync(join(home.images, "by-digest"))
    expect(left.toSorted()).toEqual([kept.digest, ...made.slice(2)].toSorted())
  })

  it("leaves the name and the store as they were when a build fails", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const before = await storeImage(home, "base", writeImage("1"))
    const full = async (dir: string) => {
      writeFileSync(join(dir, "vmlinuz"), "half")
      throw new Error("no space left on device")
    }
    await expect(storeImage(home, "base", full)).rejects.toThrow("no space left")
    expect((await listImages(home)).images.map(({ digest }) => digest)).toEqual([before.digest])
    expect(readdirSync(join(home.images, "by-digest"))).toEqual([before.digest])
  })

  it("gives an image that is built again the newer provenance, in the folder that it had", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const older = await storeImage(home, "base", writeImage("1", "first"))
    const before = statSync(older.dir).ino
    const newer = await storeImage(home, "base", writeImage("1", "second"))
    expect(readFileSync(join(newer.dir, "provenance.dsse.json"), "utf8")).toBe("second")
    expect(statSync(newer.dir).ino).toBe(before)
    expect(readdirSync(join(home.images, "by-digest"))).toEqual([newer.digest])
  })

  it("repairs an image that was changed since when it is built again", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const { dir } = await storeImage(home, "base", writeImage("1", "first"))
    const text = readFileSync(join(dir, "manifest.toml"), "utf8")
    for (const damage of [
      () => writeFileSync(join(dir, "manifest.toml"), text.replace("quiet", "louds")),
      () => writeFileSync(join(dir, "planted"), ""),
      () => rmSync(join(dir, "manifest.toml")),
      () => {
        renameSync(join(dir, "manifest.toml"), join(dir, "..", "elsewhere"))
        symlinkSync("../elsewhere", join(dir, "manifest.toml"))
      },
    ]) {
      damage()
      await storeImage(home, "base", writeImage("1", "second"))
      expect(readFileSync(join(dir, "manifest.toml"), "utf8")).toBe(text)
      expect(lstatSync(join(dir, "manifest.toml")).isFile()).toBe(true)
      expect(readdirSync(dir).toSorted()).toEqual(["manifest.toml", "provenance.dsse.json"])
    }
  })

  it("says what to build when an image is not there", async () => {
    using folder = openFolder()
    await expect(readImage(homeLayout(folder.dir), "base")).rejects.toMatchObject({
      code: "image/not-built",
      hint: expect.stringMatching(/^no image is built yet; .*stereo build NAME/),
    })
  })

  it("names file, line and key of a manifest that does not read, in one line, and lists the others", async () => {
    using folder = openFolder()
    const home = homeLayout(folder.dir)
    const stored = await storeImage(home, "old", writeImage("1"))
    const other = await storeImage(home, "other", writeImage("2"))
    writeFileSync(join(stored.dir, "manifest.toml"), "schema = 7\n")
    const fault = {
      code: "image/bad-manifest",
      message: expect.stringMatching(
        new RegExp(`${stored.digest}/manifest\\.toml:1: schema: .* \\(and \\d+ more\\)$`),
      ),
      hint: expect.stringMatching(/^an older version of stereo made it.*stereo build.*pull it$/),
    }
    await expect(readImage(home, "old")).rejects.toMatchObject(fault)
    const { images, unreadable } = await listImages(home)
    expect(images.map(({ digest }) => digest)).toEqual([other.digest])
    expect(unreadable).toMatchObject([{ name: "old", digest: stored.digest, fault }])
    await expect(readImage(home, "nope")).rejects.toMatchObject({
      code: "image/not-built",
      hint: expect.stringMatching(/^built: old, other; /),
    })
  })
})

function writeImage(version: string, provenance?: string): (dir: string) => Promise<string> {
  const part = (name: string) => ({ name, sha256: "0".repeat(64), size_bytes: 2 })
  const document: Manifest = {
    schema: 1,
    name: "base",
    profile: "strict",
    arch: "x86_64",
    plan: "0".repeat(64),
    files: {
      kernel: part("vmlinuz"),
      initramfs: part("initramfs.cpio"),
      root: part("root.verity"),
      stub: part("linuxx64.efi.stub"),
      os_release: part("os-release"),
      firewall: part("firewall.nft"),
      ruleset: part("ruleset.json"),
      units: part("units.json"),
      inventory: part("inventory.json"),
      lock: part("lock.toml"),
      tools_lock: part("tools-lock.toml"),
      spdx: part("sbom.spdx.json"),
      cyclonedx: part("sbom.cdx.json"),
    },
    measurements: { ruleset_sha256: "0".repeat(64), units_sha256: "0".repeat(64) },
    verity: { root_hash: "0".repeat(64), salt: "00", data_blocks: 1, block_size_bytes: 4096 },
    kernel: { version, command_line: "quiet", vmlinux_sha256: "7".repeat(64) },
    uefi: {
      uki_sha256: "8".repeat(64),
      authenticode_sha256: "9".repeat(64),
      pcrs: { sha256: {} },
      pcrs_secure_boot_off: { sha256: {} },
    },
    resources: { cpus: 1, memory_mib: 256, disk_mib: 16 },
    egress: { sets: [] },
    env: {},
    packages: [],
  }
  const text = stringify(document)
  return async (dir) => {
    writeFileSync(join(dir, "manifest.toml"), text)
    if (provenance !== undefined) writeFileSync(join(dir, "provenance.dsse.json"), provenance)
    return text
  }
}
