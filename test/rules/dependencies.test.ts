import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { projectDir, readSources } from "./sources.ts"

const manifest = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    optionalDependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(join(projectDir, "package.json"), "utf8")))
const golden = readFileSync(join(projectDir, "test/rules/dependencies.golden"), "utf8")
const rows = golden
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => /^(\S+) (\S+) {2,}(\S.*)$/.exec(line) ?? [line])
const lock = readFileSync(join(projectDir, "package-lock.json"), "utf8")

describe("dependencies", () => {
  it("each one stands in the golden file with its kind and a reason", () => {
    const listed = rows.map((row) => `${row[1]} ${row[2]} ${row[3] ? "with a reason" : "WITHOUT A REASON"}`)
    const kinds = {
      run: manifest.dependencies,
      platform: manifest.optionalDependencies,
      dev: manifest.devDependencies,
    }
    const installed = Object.entries(kinds).flatMap(([kind, names]) =>
      Object.keys(names).map((name) => `${kind} ${name} with a reason`),
    )
    expect(listed.sort()).toEqual(installed.sort())
  })

  it("each one is pinned to an exact version", () => {
    const all = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies }
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
  })

  it("each one that programs need is imported by a program", () => {
    const imported = readSources().flatMap((source) => source.imports.map((one) => one.target))
    const isImported = (name: string) => imported.some((one) => one === name || one.startsWith(`${name}/`))
    expect(Object.keys(manifest.dependencies).filter((name) => !isImported(name))).toEqual([])
  })

  it("the lock file names no registry", () => {
    expect(lock).not.toMatch(/"resolved": "http/)
  })
})
