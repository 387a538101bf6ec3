import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { imageLock } from "../../contract/image-lock.ts"
import { openDebianArchive } from "../fakes/debian-archive.ts"
import { HELPER, HELPER_PATH, helperOf, openLab, SPARE, TOOL } from "./lock-lab.ts"

describe("a lock", () => {
  it("names packages with all that they depend on, and nothing else, by the newest date of the Release files", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER, SPARE], new Date("2026-11-21T09:15:44Z"))
    archive.publish("trixie-security", [], new Date("2026-11-23T11:22:38Z"))
    using lab = openLab(archive)
    const { lock } = await lab.open()
    expect(lock.deb.map(({ name, version, suite, parts }) => ({ name, version, suite, parts }))).toEqual([
      { name: "helper", version: "1:1.0+b2", suite: "trixie", parts: ["root", "boot"] },
      { name: "tool", version: "1.0-1", suite: "trixie", parts: ["root"] },
    ])
    expect(new Date(lock.epoch * 1000).toISOString()).toBe("2026-11-23T11:22:38.000Z")
    expect(readFileSync(join(lab.folder.dir, "images/root/lock.toml"), "utf8")).not.toContain("127.0.0.1")
  })

  it("is what the next build goes by, without asking anybody", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const first = await lab.open()
    archive.asked.length = 0
    const second = await lab.open({ offline: true })
    expect([first.made, second.made, archive.asked]).toEqual(["new", "before", []])
    expect(second.text).toBe(first.text)
  })

  it("takes the security suite's version where there is one", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    archive.publish("trixie-security", [{ ...HELPER, version: "1:1.0+b2+deb13u1" }])
    using lab = openLab(archive)
    expect(helperOf((await lab.open()).lock)).toMatchObject({
      version: "1:1.0+b2+deb13u1",
      suite: "trixie-security",
    })
  })

  it("keeps versions that the archive still has when only the definition changed", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER, SPARE])
    using lab = openLab(archive)
    const { lock } = await lab.open()
    archive.publish("trixie-updates", [{ ...HELPER, version: "1:2.0" }])
    const more = { ...lab.target, wants: { ...lab.target.wants, root: ["spare", "tool"] } }
    expect(helperOf(await lab.make(more, lock.deb))).toMatchObject({ version: "1:1.0+b2" })
    expect(helperOf(await lab.make(more, []))).toMatchObject({ version: "1:2.0" })
  })

  it("that does not fit its definition is refused, with what differs", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER, SPARE])
    using lab = openLab(archive)
    await lab.open()
    await expect(lab.open({}, { root: ["helper", "spare"] })).rejects.toMatchObject({
      code: "lock/stale",
      message: expect.stringMatching(
        /has helper, the lock does not\n.*has spare, the lock.*\n.*the lock has tool/,
      ),
      hint: "stereo lock root",
    })
  })

  it("says which package Debian does not have", async () => {
    await using archive = await openDebianArchive()
    using lab = openLab(archive)
    await expect(lab.open()).rejects.toMatchObject({
      code: "lock/unresolvable",
      message: "Debian has no package tool",
    })
  })
})

describe("what the mirror gives", () => {
  const spoil = (bytes: Buffer) =>
    Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])])

  it.each([
    [
      "a Release file that was changed after it was signed",
      "/debian/dists/trixie/InRelease",
      (bytes: Buffer) => Buffer.from(bytes.toString().replace("Label: Debian", "Label: Dabian")),
    ],
    [
      "a list of packages that is not the signed one",
      "/debian/dists/trixie/main/binary-amd64/Packages.gz",
      spoil,
    ],
  ])("%s is refused", async (_title, path, change) => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    archive.replace(path, change)
    using lab = openLab(archive)
    await expect(lab.open()).rejects.toMatchObject({ code: "lock/untrusted" })
    expect(existsSync(join(lab.folder.dir, "images/root/lock.toml"))).toBe(false)
  })

  it("another suite's signed files in place of those of security are refused", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    archive.publish("trixie-security", [{ ...HELPER, version: "1:1.0+b2+deb13u1" }])
    for (const file of ["InRelease", "main/binary-amd64/Packages", "main/binary-amd64/Packages.gz"]) {
      let other: Buffer = Buffer.alloc(0)
      archive.replace(`/debian/dists/trixie-updates/${file}`, (bytes) => {
        other = bytes
        return bytes
      })
      archive.replace(`/debian-security/dists/trixie-security/${file}`, () => other)
    }
    using lab = openLab(archive)
    await expect(lab.open()).rejects.toMatchObject({
      code: "lock/untrusted",
      message: "what the mirror gave for trixie-security was signed as trixie-updates, trixie-updates",
    })
  })

  it("a date that stands before what is signed is not believed", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    archive.replace("/debian/dists/trixie/InRelease", (bytes) => {
      return Buffer.from(bytes.toString().replace(/^Hash: .*\n/m, "$&Date: Fri, 01 Jan 2100 00:00:00 UTC\n"))
    })
    using lab = openLab(archive)
    const { lock } = await lab.open()
    expect(new Date(lock.epoch * 1000).toISOString()).toBe("2026-11-21T09:15:44.000Z")
  })

  it("Release files of somebody else's key are refused", async () => {
    await using archive = await openDebianArchive()
    await using other = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive, { keyring: other.environment["STEREO_DEBIAN_KEYRING"] ?? "" })
    await expect(lab.open()).rejects.toMatchObject({ code: "lock/untrusted" })
  })

  it("a .deb of other bytes is refused with what was expected, and nothing of it is kept", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    archive.replace(HELPER_PATH, spoil)
    using lab = openLab(archive)
    await expect(lab.open()).rejects.toMatchObject({
      code: "store/wrong-bytes",
      message: expect.stringMatching(
        /^helper 1:1\.0\+b2: .*\n +expected sha256 [0-9a-f]{64}, \d+ bytes\n +got +sha256/,
      ),
    })
    expect(lab.stored().filter((name) => name.includes("incoming/"))).toEqual([])
  })

  it("a .deb that ends too soon is refused, and fetched when it is whole again", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    let whole: Buffer = Buffer.alloc(0)
    archive.replace(HELPER_PATH, (bytes) => {
      whole = bytes
      return bytes.subarray(0, 100)
    })
    using lab = openLab(archive)
    await expect(lab.open()).rejects.toMatchObject({ code: "store/wrong-bytes" })
    archive.replace(HELPER_PATH, () => whole)
    expect((await lab.open()).made).toBe("before")
  })
})

describe("a lock that somebody else wrote", () => {
  const lock = {
    ...{ schema: 1, suite: "trixie", arch: "amd64", epoch: 1, root: [], boot: [] },
    deb: [
      {
        ...{ name: "bash", version: "5", arch: "amd64", parts: ["root"], suite: "trixie" },
        ...{ size_bytes: 1, sha256: "0".repeat(64), path: "pool/main/b/bash/bash_5_amd64.deb" },
      },
    ],
    npm: [{ name: "@a/b", version: "1.0.0", integrity: `sha512-${"A".repeat(86)}==`, size_bytes: 1 }],
  }
  const withDeb = (change: object) => ({ ...lock, deb: lock.deb.map((deb) => ({ ...deb, ...change })) })
  const withNpm = (change: object) => ({ ...lock, npm: lock.npm.map((npm) => ({ ...npm, ...change })) })

  it("is taken when it says nothing but names, versions and digests", () => {
    expect(imageLock.safeParse(lock).success).toBe(true)
  })

  it.each([
    ["a path out of the pool", withDeb({ path: "pool/../../etc/passwd.deb" })],
    ["an address in place of a path", withDeb({ path: "http://elsewhere/pool/x.deb" })],
    ["a digest that is a path", withDeb({ sha256: `../${"0".repeat(61)}` })],
    ["an option of apt's as a name", withDeb({ name: "-oDir::Etc=x" })],
    ["an option of npm's as a name", withNpm({ name: "--registry=http://elsewhere/" })],
    ["a folder as a name", withNpm({ name: "../evil" })],
    ["an address as a name", withNpm({ name: "git+ssh://elsewhere/x" })],
    ["an alias as a version", withNpm({ version: "npm:other@1.0.0" })],
    ["a folder as a version", withNpm({ version: "file:../evil" })],
  ])("is refused with %s", (_case, document) => {
    expect(imageLock.safeParse(document).success).toBe(false)
  })
})
