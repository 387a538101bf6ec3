import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { CliContext } from "../../cli/context.ts"
import { resolveTarget } from "../../cli/egress/resolve-target.ts"
import { terminalProgress } from "../../cli/progress.ts"
import { homeLayout } from "../../contract/home.ts"
import { compareEgress } from "../../review/compare-egress.ts"
import { projectDir } from "../rules/sources.ts"

const SET = `name = "team"
why = "what the agents of a test need"
owner = "somebody"

[[allow]]
host = "api.example.com"
methods = ["GET"]
paths = ["/v1/*"]
why = "the API of a test"
`
const IMAGE = `name = "work"
description = "an image of a test"

[[template]]
from = "nftables.njk"
to = "/usr/lib/stereo/firewall.nft"

[egress]
sets = ["team"]
`

/** A project of the test's own, in a git repository of its own; `temporary` is where commands put their files. */
let root: string
let project: string
let temporary: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "stereo-review-"))
  project = join(root, "project")
  temporary = join(root, "temporary")
  for (const dir of ["images/work", "images/templates", "policies/egress", "contract"]) {
    mkdirSync(join(project, dir), { recursive: true })
  }
  mkdirSync(temporary)
  vi.stubEnv("TMPDIR", temporary)
  cpSync(join(projectDir, "images/templates/nftables.njk"), join(project, "images/templates/nftables.njk"))
  cpSync(join(projectDir, "contract/wire.ts"), join(project, "contract/wire.ts"))
  write("images/work/image.toml", IMAGE)
  write("policies/egress/team.toml", SET)
  write("cards/wide.toml", 'image = "work"\n[egress]\nsets = ["team"]\n')
  git("init", "-q", "-b", "main")
  commit("first")
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true, force: true })
})

function write(path: string, text: string): void {
  mkdirSync(join(project, path, ".."), { recursive: true })
  writeFileSync(join(project, path), text)
}

function git(...args: string[]): void {
  const who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
  execFileSync("git", [...who, ...args], { cwd: project, stdio: ["ignore", "ignore", "inherit"] })
}

function commit(message: string): void {
  git("add", "-A")
  git("commit", "-q", "-m", message)
}

function context(signal = new AbortController().signal): CliContext {
  return {
    ...{ home: homeLayout(join(root, "home")), projectDir: project, environment: {}, signal },
    progress: terminalProgress(process.stderr, process.env, Date.now),
    now: Date.now,
    print: () => undefined,
    exitWith: () => undefined,
  }
}

async function opens(before: string, after: string): Promise<boolean> {
  const [left, right] = [await resolveTarget(context(), before), await resolveTarget(context(), after)]
  const prove = () => ({ proven: false, lines: [] })
  return compareEgress({ before: left, after: right, today: "2027-01-15", prove }).opens
}

describe("a target of a git revision", () => {
  it("is read as it was, whatever the folder holds now", async () => {
    write("policies/egress/team.toml", SET.replace("/v1/*", "/**"))
    expect(await opens("main:work", "main:work")).toBe(false)
    expect(await opens("main:work", "work")).toBe(true)
    expect(await opens("work", "HEAD:work")).toBe(false)
    commit("second")
    expect(await opens("HEAD~1:work", "HEAD:work")).toBe(true)
    expect(await opens("HEAD~1:work", "main:cards/wide.toml")).toBe(true)
  })

  it("says which commit, and leaves no folder behind", async () => {
    const view = await resolveTarget(context(), "main:cards/wide.toml")
    expect(view.readFrom).toMatch(
      /^the card cards\/wide\.toml and .*image\.toml at main \(commit [0-9a-f]{12}\)$/,
    )
    expect(view.policy).toMatchObject({
      grants: [{ source: { file: "policies/egress/team.toml", line: 5 } }],
    })
    expect(readdirSync(temporary)).toEqual([])
  })

  it.each([
    ["no such revision", "nope:work", "review/bad-revision"],
    ["an option in its place", "--output=x:work", "review/bad-revision"],
    ["no such image", "main:nope", "image/unknown"],
    ["no such card", "main:cards/none.toml", "card/unreadable"],
    ["a card outside", "main:../card.toml", "review/bad-target"],
    ["nothing before the colon", ":work", "review/bad-target"],
  ])("with %s is refused, and leaves no folder behind", async (_what, target, code) => {
    await expect(resolveTarget(context(), target)).rejects.toMatchObject({ code })
    expect(readdirSync(temporary)).toEqual([])
  })

  it("leaves no folder behind at Ctrl-C either", async () => {
    const interrupted = new AbortController()
    const reading = resolveTarget(context(interrupted.signal), "main:work")
    interrupted.abort(new Error("stopped"))
    await expect(reading).rejects.toThrow("stopped")
    expect(readdirSync(temporary)).toEqual([])
  })

  it("is read from plain files only: a link in the repository leads nowhere", async () => {
    rmSync(join(project, "policies/egress/team.toml"))
    write("elsewhere.toml", SET)
    symlinkSync(join(project, "elsewhere.toml"), join(project, "policies/egress/team.toml"))
    commit("a link")
    const { policy } = await resolveTarget(context(), "HEAD:work")
    expect(policy).toMatchObject({ kind: "broken", rule: "egress/set-unknown" })
  })

  it("has a packet filter rendered as the builder does", async () => {
    const { wall } = await resolveTarget(context(), "main:work")
    expect(wall).toMatchObject({
      kind: "ruleset",
      text: expect.stringContaining("ip daddr 10.0.2.100 tcp dport 3128"),
    })
  })

  it.each([
    [
      "its template is more than text with names",
      "images/templates/nftables.njk",
      "{{ range.constructor('1')() }}",
    ],
    ["the names in it are not this program's", "contract/wire.ts", "export const GATEWAY = {}"],
  ])("has no known packet filter where %s", async (_what, path, text) => {
    write(path, text)
    commit("another filter")
    write("contract/wire.ts", "export const GATEWAY = 1")
    const { wall } = await resolveTarget(context(), "HEAD:work")
    expect(wall.kind).toBe("unknown")
    expect(await opens("HEAD~1:work", "HEAD:work")).toBe(true)
  })
})

describe("a target of the folder", () => {
  it("is an image's definition where it is not built", async () => {
    const view = await resolveTarget(context(), "work")
    expect(view).toMatchObject({ kind: "definition", wall: { kind: "ruleset", canonical: null } })
    await expect(resolveTarget(context(), "image:work")).rejects.toMatchObject({ code: "image/not-built" })
  })
})
