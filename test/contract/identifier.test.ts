import { describe, expect, it } from "vitest"
import { newIdentifier } from "../../contract/identifier.ts"

describe("newIdentifier", () => {
  it("has 26 characters without those that people confuse", () => {
    expect(newIdentifier(1_700_000_000_000)).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/)
  })

  it("sorts by time", () => {
    const ids = [3, 1, 2].map((day) => newIdentifier(day * 86_400_000))
    expect([...ids].sort()).toEqual([ids[1], ids[2], ids[0]])
  })

  it("differs within one millisecond", () => {
    const ids = Array.from({ length: 1000 }, () => newIdentifier(5))
    expect(new Set(ids).size).toBe(1000)
  })
})
