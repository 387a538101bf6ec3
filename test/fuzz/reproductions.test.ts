import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { keepReproduction, readReproductions } from "./reproductions.ts"

const testDir = join(import.meta.dirname, "..")
let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "stereo-reproductions-"))
})
afterAll(() => rmSync(dir, { recursive: true }))

describe("reproductions", () => {
  it("keeps the values of a counterexample as they were, for that property alone", () => {
    const values = [Buffer.from([0, 255, 10]), undefined, "é\0", { deep: [1, Number.NaN] }]
    keepReproduction("one", { seed: 7, values }, dir)
    keepReproduction("another", { seed: 8, values: ["x"] }, dir)
    expect(readReproductions("one", dir)).toEqual([values])
    expect(readReproductions("none", dir)).toEqual([])
  })

  it("are each of a property that is still there under its name: no other tries them", () => {
    const kept = readdirSync(join(import.meta.dirname, "reproductions")).filter((name) => /json$/.test(name))
    const tests = readdirSync(testDir, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".test.ts"),
    )
    const texts = tests.map((name) => readFileSync(join(testDir, name), "utf8"))
    const homeless = kept.filter((name) => {
      const { test } = JSON.parse(readFileSync(join(import.meta.dirname, "reproductions", name), "utf8"))
      const title = String(test).split(" > ").at(-1) ?? ""
      return !texts.some((text) => text.includes(`"${title}"`))
    })
    expect(homeless).toEqual([])
  })

  it("keeps the same counterexample once", () => {
    expect(keepReproduction("one", { seed: 9, values: ["y"] }, dir)).toBe(
      keepReproduction("one", { seed: 10, values: ["y"] }, dir),
    )
  })
})
