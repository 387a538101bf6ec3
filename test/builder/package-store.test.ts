import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join, relative } from "node:path"
import { setTimeout } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { listMoves } from "../../builder/lock/compare-locks.ts"
import { readCves } from "../../builder/read-cves.ts"
import { openStages } from "../../builder/stages.ts"
import { storePath } from "../../builder/store/content-store.ts"
import { debFile } from "../../builder/store/fetch-debs.ts"
import { type DebianArchive, openDebianArchive } from "../fakes/debian-archive.ts"
import { HELPER, HELPER_PATH, helperOf, type Lab, openLab, settingsOf, TOOL } from "./lock-lab.ts"

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

  it("has nothing half when a fetch is killed, and the next one goes on", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    archive.stall(HELPER_PATH)
    const script = join(import.meta.dirname, "open-lock.ts")
    const env = { ...process.env, ...archive.environment }
    const child = spawn(process.execPath, [script, lab.folder.dir], { env, stdio: "inherit" })
    while (!archive.asked.includes(HELPER_PATH)) await setTimeout(20)
    child.kill("SIGKILL")
    await once(child, "close")
    for (const file of lab.stored().filter((name) => /^sha256\/..\/./.test(name)))
      expect(hashOf(lab, file)).toBe(basename(file))
    archive.stall(null)
    const { lock, made } = await lab.open()
    expect(made).toBe("before")
    for (const deb of lock.deb)
      expect(hashOf(lab, relative(lab.store, storePath(lab.context.home, debFile(deb))))).toBe(deb.sha256)
    expect(lab.stored().filter((name) => name.startsWith("incoming/"))).toEqual([])
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

describe("what a newer version closes", () => {
  it("is told by the changelog in the new package", async () => {
    await using archive = await openDebianArchive()
    archive.publish("trixie", [TOOL, HELPER])
    using lab = openLab(archive)
    const { lock } = await lab.open()
    const changelog =
      "helper (1:1.1) trixie-security; urgency=high\n\n  * CVE-2026-12345\n\nhelper (1:1.0) unstable; urgency=low\n\n  * CVE-2020-1\n"
    archive.publish("trixie-security", [{ ...HELPER, version: "1:1.1", changelog }])
    const newer = await lab.make(lab.target, [])
    const { runner } = await openStages(lab.context, "lock")
    const moves = await readCves(listMoves(lock, newer), newer, lab.context, runner, () => undefined)
    expect(moves).toEqual([
      {
        ...{ kind: "deb", name: "helper", from: "1:1.0+b2", to: "1:1.1" },
        ...{ security: true, cves: ["CVE-2026-12345"] },
      },
    ])
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

function hashOf({ store }: Lab, file: string): string {
  return createHash("sha256")
    .update(readFileSync(join(store, file)))
    .digest("hex")
}
