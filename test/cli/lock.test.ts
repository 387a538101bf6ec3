import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectDir } from "../rules/sources.ts"
import { openCliHome } from "./run-stereo.ts"

/** All that lie there, those of profiles included. */
const LOCKS = readdirSync(join(projectDir, "images"), { recursive: true, encoding: "utf8" })
  .filter((path) => /\/lock(?:-[^/]+)?\.toml$/.test(path))
  .map((path) => `images/${path}`)

describe("stereo lock --check", () => {
  it("without images looks at every lock that there is, each with its profile and none with a site", async () => {
    using home = openCliHome()
    const { code, stdout } = await home.stereo("lock", "--check", "--json")
    const reports = JSON.parse(stdout) as { file: string; misfits: unknown }[]
    expect(reports.map(({ file }) => file).sort()).toEqual(LOCKS.sort())
    expect(LOCKS).toContain("images/base/lock-ec2.toml")
    expect(reports.filter(({ misfits }) => JSON.stringify(misfits) !== "[]")).toEqual([])
    expect(code).toBe(0)
  })

  it("looks at one profile of all images where it is asked for, and says which lack it", async () => {
    using home = openCliHome()
    const { code, stdout } = await home.stereo("lock", "--check", "--profile", "ec2")
    expect(stdout).toContain("images/base/lock-ec2.toml is as it should be")
    expect(stdout).toContain("images/python/lock-ec2.toml is not there")
    // the tools tree has no profiles
    expect(stdout).not.toContain("images/tools/")
    expect(code).toBe(2)
  })

  it("of tools with a profile is refused, since they have none", async () => {
    using home = openCliHome()
    expect(await home.stereo("lock", "--check", "--profile", "ec2", "tools")).toMatchObject({
      ...{ code: 1, stdout: "", stderr: expect.stringContaining("lock/no-profiles") },
    })
  })
})
