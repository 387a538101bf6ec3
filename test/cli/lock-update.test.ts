import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Command } from "commander"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { CliContext } from "../../cli/context.ts"
import { addLockCommand } from "../../cli/lock-command.ts"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { NO_LOCK, openFolder, ROOT_IMAGE, STRICT, type TestFolder } from "../builder/project-folder.ts"
import { type DebianArchive, openDebianArchive } from "../fakes/debian-archive.ts"

const LOCK = "images/root/lock.toml"
const KERNEL = { name: "linux-image-cloud-amd64", version: "6.12-1" }
const CHANGELOG =
  "bash (5.2-2) trixie-security; urgency=high\n\n  * CVE-2026-1111, CVE-2026-2222\n\nbash (5.2-1) unstable; urgency=low\n\n  * CVE-2020-1\n"

let project: TestFolder
let archive: DebianArchive

beforeAll(async () => {
  archive = await openDebianArchive()
  project = openFolder({
    "images/root/image.toml": ROOT_IMAGE,
    "images/profiles/strict/image.toml": STRICT,
    "package-lock.json": NO_LOCK,
  })
  archive.publish("trixie", [
    KERNEL,
    { name: "bash", version: "5.2-1", depends: "libold" },
    { name: "libold", version: "1-1" },
    { name: "libnew", version: "2-1" },
  ])
  expect(await lock("root")).toEqual({ code: 0, stdout: `made ${LOCK}: 3 packages\n` })
})
afterAll(async () => {
  project[Symbol.dispose]()
  await archive[Symbol.asyncDispose]()
})

/** Runs `stereo lock` in this process, for a project that is not its own. */
async function lock(...args: string[]): Promise<{ code: number; stdout: string }> {
  const ran = { code: 0, stdout: "" }
  const context: CliContext = {
    ...{ home: homeLayout(join(project.dir, "home")), projectDir: project.dir, progress: silentProgress },
    ...{ environment: archive.environment, signal: new AbortController().signal, now: Date.now },
    print: (text) => {
      ran.stdout += text
    },
    exitWith: (code) => {
      ran.code = code
    },
  }
  const program = new Command("stereo").exitOverride()
  addLockCommand(program, context)
  await program.parseAsync(["lock", ...args], { from: "user" })
  return ran
}

const lockText = () => readFileSync(join(project.dir, LOCK), "utf8")

describe("stereo lock --update", () => {
  const TABLE = [
    "PACKAGE  FROM   TO",
    "bash     5.2-1  5.2-2      security: CVE-2026-1111 CVE-2026-2222",
    "libnew   (new)  2-1",
    "libold   1-1    (removed)",
    "vulnerabilities are those that the changelogs in the new packages name",
    "",
  ].join("\n")
  let before: string

  beforeAll(() => {
    before = lockText()
    const fixed = { name: "bash", version: "5.2-2", depends: "libnew", changelog: CHANGELOG }
    archive.publish("trixie-security", [fixed], new Date("2026-11-23T11:22:38Z"))
  })

  it("is what it takes: a lock that fits stays as it is without it", async () => {
    expect(await lock("root")).toEqual({ code: 0, stdout: `${LOCK} is as it should be: 3 packages\n` })
    expect(lockText()).toBe(before)
  })

  it("says with --check what would move and what that closes, with exit code 2, and writes nothing", async () => {
    expect(await lock("--update", "--check", "root")).toEqual({
      code: 2,
      stdout: `${LOCK}: 3 of 3 packages would move, 1 of them to the security suite's\n${TABLE}`,
    })
    expect(lockText()).toBe(before)
  })

  it("says what moved, and writes it", async () => {
    expect(await lock("--update", "root")).toEqual({
      code: 0,
      stdout: `${LOCK}: 3 of 3 packages moved, 1 of them to the security suite's\n${TABLE}`,
    })
    expect(lockText()).toMatch(/name = "bash", version = "5\.2-2".*suite = "trixie-security"/)
    expect(lockText()).not.toContain("libold")
  })

  it("leaves the lock alone where only the day of the archive is another", async () => {
    const newest = lockText()
    archive.publish("trixie-updates", [], new Date("2026-11-24T11:22:38Z"))
    const { stdout } = await lock("--update", "root")
    expect(stdout).toBe(`${LOCK} is as it should be: 3 packages\n`)
    expect(lockText()).toBe(newest)
  })

  it("names in JSON each package that moved, a rebuild without a changelog as one of which nothing is told", async () => {
    archive.publish("trixie", [
      { ...KERNEL, version: "6.12-2" },
      { name: "libnew", version: "2-1" },
    ])
    const { code, stdout } = await lock("--update", "--json")
    expect(code).toBe(0)
    const move = { kind: "deb", name: KERNEL.name, from: "6.12-1", to: "6.12-2", security: false, cves: null }
    expect(JSON.parse(stdout)).toEqual([
      { image: "root", file: LOCK, misfits: [], moves: [move], packages: 3, written: true },
    ])
  })

  it("does not go back where a mirror shows an older state of Debian, which is signed as well", async () => {
    const newest = lockText()
    archive.publish("trixie", [KERNEL, { name: "libnew", version: "2-1" }])
    await expect(lock("--update", "root")).rejects.toMatchObject({
      code: "lock/older",
      message: `the mirror has older packages than the lock\n    ${KERNEL.name} 6.12-2 → 6.12-1`,
    })
    expect(lockText()).toBe(newest)
  })
})
