import { readdirSync, writeFileSync } from "node:fs"
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
      "a misspelt command below one that has a usual one",
      ["images", "sohw", "base"],
      "unknown command 'sohw' of images; there are ls, show, size",
      "stereo images --help",
    ],
    ["an option of EC2 for a machine here", ["up", "--region", "x"], "--region is for --on ec2", "stereo up"],
    ["an option of EC2 for the list of here", ["ls", "--poll", "4"], "--poll is for --on ec2", "stereo ls"],
    [
      "an option of here for an instance",
      ["up", "--on", "ec2", "base", "--image", "coder"],
      "'--on <where>' cannot be used with option '--image <name>'",
      "stereo up",
    ],
    [
      "a report of a build that is not finished",
      ["build", "base", "--shell", "--json"],
      "'--shell' cannot be used with option '--json'",
      "stereo build",
    ],
    [
      "a signature for firmware of what no firmware starts",
      ["images", "export", "base", "--format", "oci", "--signed-uki", "x"],
      "--signed-uki is for disks and a uki",
      "stereo images export",
    ],
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

  it.each([
    ["images", "export", "nope", "--format", "raw"],
    ["publish", "ec2", "nope", "--region", "eu-central-1"],
    ["up", "--on", "ec2", "nope", "--region", "eu-central-1", "--identity", "/nowhere"],
  ])("misses an image before what the command needs besides: %s %s %s", async (...args) => {
    using home = openCliHome()
    const ran = await home.stereo(...args)
    expect(ran).toMatchObject({ code: args[0] === "up" ? 125 : 1, stdout: "" })
    expect(ran.stderr).toContain('image/not-built: there is no built image "nope"')
    expect(ran.stderr).toContain("hint: no image is built yet; `stereo build NAME`")
    expect(readdirSync(home.root)).toEqual([])
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
