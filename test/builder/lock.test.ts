import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type LockTarget, makeLock, openLock } from "../../builder/make-lock.ts"
import { type BuildContext, openStages } from "../../builder/stages.ts"
import { storePath } from "../../builder/store/content-store.ts"
import { debFile } from "../../builder/store/fetch-debs.ts"
import { homeLayout } from "../../contract/home.ts"
import type { ImageLock } from "../../contract/image-lock.ts"
import { silentProgress } from "../../contract/progress.ts"
import { type DebianArchive, type FakePackage, openDebianArchive } from "../fakes/debian-archive.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

const TOOL: FakePackage = { name: "tool", version: "1.0-1", depends: "helper (>= 1)" }
const HELPER: FakePackage = { name: "helper", version: "1:1.0+b2", files: { "usr/lib/helper": "one" } }
const SPARE: FakePackage = { name: "spare", version: "3" }
const HELPER_PATH = "/debian/pool/trixie/helper/helper_1:1.0+b2_amd64.deb"

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

describe("the store", () => {
  it("notices a damaged file when it is to be used, and fetches it again", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const { lock } = await lab.open()
    const file = storePath(lab.context.home, debFile(helperOf(lock)))
    const right = readFileSync(file)
    writeFileSync(file, "short")
    await lab.open()
    expect(readFileSync(file).equals(right)).toBe(true)
  })

  it("says offline what it lacks, by name and version", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const { lock } = await lab.open()
    rmSync(storePath(lab.context.home, debFile(helperOf(lock))))
    await expect(lab.open({ offline: true })).rejects.toMatchObject({
      code: "store/offline",
      message: "the store lacks 1 packages\n    helper 1:1.0+b2",
    })
  })

  it("takes in what an interrupted fetch had got whole", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const { lock } = await lab.open()
    const deb = debFile(helperOf(lock))
    const bytes = readFileSync(storePath(lab.context.home, deb))
    rmSync(storePath(lab.context.home, deb))
    writeFileSync(storePath(lab.context.home, deb, "incoming"), bytes)
    archive.asked.length = 0
    await lab.open()
    expect(archive.asked.filter((path) => path.endsWith(".deb"))).toEqual([])
  })
})

describe("when Debian's archive has dropped a locked version", () => {
  const NEWER = { ...HELPER, version: "1:1.1" }

  it("the build stops with the package's name and what can be done", async () => {
    await using archive = await openDebianArchive()
    using lab = await openDropped(archive)
    await expect(lab.open()).rejects.toMatchObject({
      code: "lock/gone",
      message: expect.stringMatching(
        /^images\/root\/lock\.toml, of 2026-11-21: .*\n {4}helper 1:1\.0\+b2 \(trixie\)$/,
      ),
      hint: expect.stringMatching(/stereo lock --update root.*--relock.*STEREO_DEBIAN_SNAPSHOT/),
    })
  })

  it("--relock goes on with what is there now, says what moved, and leaves the project's lock alone", async () => {
    await using archive = await openDebianArchive()
    using lab = await openDropped(archive)
    const committed = readFileSync(join(lab.folder.dir, "images/root/lock.toml"), "utf8")
    const { lock, made, moves } = await lab.open({ relock: true })
    expect(helperOf(lock)).toMatchObject({ version: "1:1.1" })
    expect([made, moves]).toEqual([
      "again",
      [{ kind: "deb", name: "helper", from: "1:1.0+b2", to: "1:1.1", security: false }],
    ])
    expect(readFileSync(join(lab.folder.dir, "images/root/lock.toml"), "utf8")).toBe(committed)
    archive.asked.length = 0
    expect(helperOf((await lab.open({ relock: true, offline: true })).lock)).toMatchObject({
      version: "1:1.1",
    })
    expect(archive.asked).toEqual([])
  })

  it("a snapshot archive still gives it, as of the lock's day", async () => {
    await using archive = await openDebianArchive()
    using lab = await openDropped(archive)
    const snapshot = (archive.environment["STEREO_DEBIAN_MIRROR"] ?? "").replace(/debian$/, "snapshot")
    const { made } = await lab.open({ debian: { ...settingsOf(archive), snapshot } })
    expect(made).toBe("before")
    expect(archive.asked.at(-1)).toMatch(/^\/snapshot\/debian\/20261121T\d{6}Z\/pool\/trixie\/helper/)
  })

  async function openDropped(archive: DebianArchive) {
    archive.publish("trixie", [TOOL, HELPER])
    archive.snapshot()
    const lab = openLab(archive)
    await lab.open()
    rmSync(join(lab.folder.dir, "home/cache/store"), { recursive: true })
    archive.publish("trixie", [TOOL, NEWER])
    return lab
  }
})

interface Lab extends Disposable {
  readonly folder: TestFolder
  readonly context: BuildContext
  readonly target: LockTarget
  open(options?: Partial<BuildContext>, wants?: Partial<LockTarget["wants"]>): ReturnType<typeof openLock>
  make(target: LockTarget, held: ImageLock["deb"]): Promise<ImageLock>
  /** Files of the store, below it. */
  stored(): string[]
}

function openLab(archive: DebianArchive, settings: { keyring?: string } = {}): Lab {
  const folder = openFolder()
  const context: BuildContext = {
    home: homeLayout(join(folder.dir, "home")),
    ...{ progress: silentProgress, signal: new AbortController().signal, now: Date.now },
    debian: { ...settingsOf(archive), ...settings },
  }
  const wants = { suite: "trixie", root: ["tool"], boot: ["helper"], npm: [] }
  const target = { projectDir: folder.dir, name: "root", profile: "strict", wants }
  return {
    folder,
    context,
    target,
    open: async (options = {}, change = {}) => {
      const all = { ...context, ...options }
      return openLock({ ...target, wants: { ...wants, ...change } }, all, await openStages(all, "lock"))
    },
    make: async (other, held) => makeLock(other, held, context, (await openStages(context, "lock")).runner),
    stored: () => readdirSync(join(folder.dir, "home/cache/store"), { recursive: true }).map(String),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

function settingsOf({ environment }: DebianArchive) {
  return {
    mirror: environment["STEREO_DEBIAN_MIRROR"] ?? "",
    securityMirror: environment["STEREO_DEBIAN_SECURITY_MIRROR"] ?? "",
    keyring: environment["STEREO_DEBIAN_KEYRING"] ?? "",
    snapshot: null,
  }
}

function helperOf(lock: ImageLock) {
  const found = lock.deb.find(({ name }) => name === "helper")
  if (!found) throw new Error("the lock has no helper")
  return found
}
