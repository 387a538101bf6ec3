import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { keepReproduction, readReproductions } from "./reproductions.ts"

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

  it("keeps the same counterexample once", () => {
    expect(keepReproduction("one", { seed: 9, values: ["y"] }, dir)).toBe(
      keepReproduction("one", { seed: 10, values: ["y"] }, dir),
    )
  })
})
