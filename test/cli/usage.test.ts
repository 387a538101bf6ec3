import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openCliHome, stereoIn } from "./run-stereo.ts"

describe("a command line", () => {
  it.each([
    ["an unknown command", ["nope"], "unknown command 'nope'", "stereo --help"],
    ["an unknown option", ["up", "--nmae", "x"], "unknown option '--nmae'", "stereo up --help"],
    ["a missing argument", ["images", "show"], "missing required argument", "stereo images show --help"],
    [
      "a wait that is too long",
      ["egress", "ask", "x", "--timeout", "20m"],
      "at most 10m",
      "egress ask --help",
    ],
    ["an argument too many", ["ls", "x"], "too many arguments", "stereo ls --help"],
    [
      "a value that is not one of its choices",
      ["completion", "tcsh"],
      "bash, zsh, fish",
      "stereo completion",
    ],
  ])("with %s ends with 64 and names the help to read", async (_case, args, what, hint) => {
    using home = openCliHome()
    const ran = await home.stereo(...args)
    expect(ran).toMatchObject({ code: 64, stdout: "" })
    expect(ran.stderr).toMatch(/^stereo: cli\/usage: /)
    expect(ran.stderr).toContain(what)
    expect(ran.stderr).toContain(hint)
  })
})

describe("an empty home", () => {
  it.each([["images"], ["ls"], ["sessions"], ["cost"]])(
    "%s says what to type, and exits with 0",
    async (command) => {
      using home = openCliHome()
      const ran = await home.stereo(command)
      expect(ran).toMatchObject({ code: 0, stderr: "" })
      expect(ran.stdout.trim().split("\n")).toHaveLength(1)
    },
  )

  it.each(["images", "ls", "sessions", "cost"])("%s --json prints JSON and nothing else", async (command) => {
    using home = openCliHome()
    const ran = await home.stereo(command, "--json")
    expect(ran).toMatchObject({ code: 0, stderr: "" })
    expect(JSON.parse(ran.stdout)).toBeDefined()
  })

  it("is a folder: a file in its place is named, with what to do", async () => {
    using home = openCliHome()
    const file = join(home.root, "file")
    writeFileSync(file, "")
    const ran = await stereoIn(file, ["ls"])
    expect(ran.code).toBe(1)
    expect(ran.stderr).toContain(`cli/not-a-folder: ${file}`)
    expect(ran.stderr).toContain("STEREO_HOME")
  })
})

describe("a home with too long a path", () => {
  it.each([["host"], ["up"], ["run", "--", "true"]])("%s says so at once and ends", async (...args) => {
    using home = openCliHome()
    const ran = await stereoIn(join(home.root, "a".repeat(100)), args)
    expect(ran.code).toBe(args[0] === "run" ? 125 : 1)
    expect(ran.stderr).toContain("cli/home-too-long")
    expect(ran.stderr).toContain("STEREO_HOME")
  })
})
