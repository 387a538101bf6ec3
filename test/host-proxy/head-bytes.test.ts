import { describe, expect, it } from "vitest"
import { headBytes } from "../../host-proxy/head-bytes.ts"

const bytesOf = (value: string) =>
  headBytes({ method: "GET", authority: "a.example.com", target: "/", headers: [["x-note", value]] })

describe("the bytes of a head", () => {
  it("are the same of a secret and of its mask", () => {
    expect(bytesOf("<masked:108>")).toBe(bytesOf("s".repeat(108)))
  })

  it("are no fewer for a value that only looks masked, so that nothing is carried past the budget in it", () => {
    for (const value of [
      "<masked:0>",
      "<masked:000000>".repeat(1000),
      `data <masked:1> ${"<masked:00>".repeat(9)}`,
    ])
      expect(bytesOf(value)).toBe(bytesOf("x".repeat(value.length)))
  })
})
