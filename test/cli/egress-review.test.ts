import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type CliHome, openCliHome } from "./run-stereo.ts"

let home: CliHome
beforeEach(() => {
  home = openCliHome()
})
afterEach(() => home[Symbol.dispose]())

/** A card in a folder of the test's own, whose path is the target. */
function card(name: string, sets: readonly string[]): string {
  const file = join(home.root, `${name}.toml`)
  writeFileSync(file, `image = "base"\n\n[egress]\nsets = ${JSON.stringify(sets)}\n`)
  return file
}

describe("stereo egress show", () => {
  it("shows each rule of an image with file, line, why and owner, and the packet filter", async () => {
    const { code, stdout, stderr } = await home.stereo("egress", "show", "coder")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toMatch(/egress\/anthropic#1 at policies\/egress\/anthropic\.toml:\d+\n/)
    expect(stdout).toContain("why: the Messages API")
    expect(stdout).toContain("owner: platform-security")
    expect(stdout).toContain("type filter hook output priority filter; policy drop;")
    expect(stdout).toContain("169.254.0.0/16 (link-local")
  })

  it("prints JSON and nothing else", async () => {
    const { stdout } = await home.stereo("egress", "show", "coder", "--json")
    expect(JSON.parse(stdout)).toMatchObject({
      kind: "definition",
      policy: { sets: ["anthropic", "openai", "google"] },
    })
  })

  it.each([
    ["markdown", /^# What may leave coder\n/],
    ["html", /^<!doctype html>\n/],
    ["sarif", /"version": "2\.1\.0"/],
  ])("prints %s", async (format, begins) => {
    const { code, stdout } = await home.stereo("egress", "show", "coder", "--format", format)
    expect(code).toBe(0)
    expect(stdout).toMatch(begins)
  })

  it("shows a broken policy as one under which nothing leaves, and exits with 1", async () => {
    const { code, stdout, stderr } = await home.stereo(
      "egress",
      "show",
      card("broken", ["anthropic", "nope"]),
    )
    expect(code).toBe(1)
    expect(stdout).toContain("NOTHING: the policy is broken")
    expect(stderr).toMatch(/^stereo: egress\/set-unknown: nothing may leave .*broken\.toml/)
  })

  it("lists what is known where a name is not", async () => {
    const { code, stderr } = await home.stereo("egress", "show", "nope")
    expect(code).toBe(1)
    expect(stderr).toContain("review/unknown-target")
    expect(stderr).toMatch(/images: .*base.*coder/)
  })

  it("asks which is meant where a machine and an image have one name", async () => {
    mkdirSync(join(home.root, "machines", "coder"), { recursive: true })
    const { code, stderr } = await home.stereo("egress", "show", "coder")
    expect(code).toBe(1)
    expect(stderr).toContain("review/ambiguous-target")
    expect(stderr).toContain("machine:coder or image:coder (or definition:coder)")
    expect((await home.stereo("egress", "show", "definition:coder")).code).toBe(0)
    expect((await home.stereo("egress", "show", "coder", "--definition")).code).toBe(0)
  })
})

describe("stereo egress diff", () => {
  it("exits with 0 where nothing opens", async () => {
    const wide = card("wide", ["anthropic", "openai"])
    const { code, stdout, stderr } = await home.stereo("egress", "diff", wide, card("narrow", ["anthropic"]))
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("- POST https://api.openai.com /v1/chat/completions /v1/responses")
    expect(stdout).toMatch(/nothing opens\n$/)
  })

  it("exits with 2 where something opens, and gives a request that does", async () => {
    const narrow = card("narrow", ["anthropic"])
    const { code, stdout, stderr } = await home.stereo(
      "egress",
      "diff",
      narrow,
      card("wide", ["anthropic", "npm"]),
    )
    expect({ code, stderr }).toEqual({ code: 2, stderr: "" })
    expect(stdout).toContain("e.g. GET https://registry.npmjs.org/")
    const json = await home.stereo("egress", "diff", narrow, join(home.root, "wide.toml"), "--json")
    expect(json.code).toBe(2)
    expect(JSON.parse(json.stdout)).toMatchObject({ opens: true, wall: { kind: "same" } })
  })

  it("exits with 1 where the second is broken, though nothing opens, or cannot be read", async () => {
    const broken = await home.stereo("egress", "diff", "coder", card("broken", ["nope"]))
    expect(broken.code).toBe(1)
    expect(broken.stdout).toMatch(/nothing opens\n$/)
    expect(broken.stderr).toContain("stereo: egress/set-unknown:")
    const missing = await home.stereo("egress", "diff", "coder", join(home.root, "none.toml"))
    expect(missing).toMatchObject({ code: 1, stdout: "" })
    expect(missing.stderr).toContain("card/unreadable")
  })

  it.each([
    ["one target", ["coder"]],
    ["three targets", ["coder", "base", "coder"]],
    ["a format that it has not", ["coder", "base", "--format", "sarif"]],
  ])("exits with 64 where it is given %s", async (_what, args) => {
    expect((await home.stereo("egress", "diff", ...args)).code).toBe(64)
  })

  it("reads this project at a revision, and leaves nothing behind", async () => {
    const { code, stderr, stdout } = await home.stereo("egress", "diff", "HEAD:coder", "HEAD:coder", "--json")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const { readFrom } = JSON.parse(stdout).before
    expect(readFrom).toMatch(/images\/coder\/image\.toml at HEAD \(commit [0-9a-f]{12}\)$/)
  })
})
