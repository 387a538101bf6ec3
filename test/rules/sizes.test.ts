import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { projectDir, readSources } from "./sources.ts"

const limit = z.strictObject({ level: z.literal("error"), options: z.strictObject({ maxLines: z.int() }) })
const biome = z
  .looseObject({
    linter: z.looseObject({
      rules: z.looseObject({
        style: z.looseObject({ noExcessiveLinesPerFile: limit }),
        complexity: z.looseObject({ noExcessiveLinesPerFunction: limit }),
      }),
    }),
  })
  .parse(JSON.parse(readFileSync(join(projectDir, "biome.json"), "utf8"))).linter.rules

describe("sizes: what is small can be read whole", () => {
  it("no file is longer than 300 lines", () => {
    const long = readSources().filter((source) => source.text.split("\n").length > 301)
    expect(long.map((source) => source.path)).toEqual([])
  })

  it("most files are short: the median has at most 100 lines", () => {
    const lengths = readSources()
      .map((source) => source.text.split("\n").length)
      .sort((left, right) => left - right)
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThanOrEqual(100)
  })

  it("the linter, which `make check` runs, refuses files over 300 and functions over 60 lines", () => {
    expect(biome.style.noExcessiveLinesPerFile.options.maxLines).toBe(300)
    expect(biome.complexity.noExcessiveLinesPerFunction.options.maxLines).toBe(60)
  })

  it.each([
    ["builder/build.ts", "buildImage"],
    ["machine/launch.ts", "launchMachine"],
    ["host-proxy/gateway.ts", "carryCall"],
    ["review/verify-wall.ts", "proveWall"],
    ["publish/oci/push-image.ts", "pushImage"],
    ["publish/oci/pull-image.ts", "pullImage"],
  ])("the spine %s is one function of at most 60 lines", (path, name) => {
    const lines = readFileSync(join(projectDir, path), "utf8").split("\n")
    const start = lines.findIndex((line) => /^export (?:async )?function (\w+)/.exec(line)?.[1] === name)
    const length = lines.slice(start).indexOf("}") + 1
    expect(start).toBeGreaterThan(0)
    expect(length).toBeGreaterThan(1)
    expect(length).toBeLessThanOrEqual(60)
  })
})
