import { describe, expect, it } from "vitest"
import { z } from "zod"
import { card } from "../../contract/card.ts"
import { Fault } from "../../contract/fault.ts"
import { lineOfKey, parseToml } from "../../contract/toml.ts"

const shape = z.strictObject({
  name: z.string(),
  limits: z.strictObject({ cpus: z.int() }).optional(),
  rule: z.array(z.strictObject({ host: z.string(), port: z.int() })).optional(),
})

describe("parseToml", () => {
  it("gives the document when it fits", () => {
    expect(parseToml({ text: 'name = "a"\n', file: "x.toml", stage: "image" }, shape)).toEqual({ name: "a" })
  })

  it.each([
    ["an unknown key at the top", 'name = "a"\ncolour = 1\n', "x.toml:2: colour: unknown key"],
    [
      "an unknown key in a table",
      'name = "a"\n\n[limits]\ncpus = 1\nram = 2\n',
      "x.toml:5: limits.ram: unknown key",
    ],
    [
      "a wrong type",
      'name = "a"\n[limits]\ncpus = "two"\n',
      "x.toml:3: limits.cpus: expected a number, got text",
    ],
    [
      "a wrong type in the second table of an array",
      'name = "a"\n[[rule]]\nhost = "a"\nport = 1\n[[rule]]\nhost = "b"\nport = "c"\n',
      "x.toml:7: rule.1.port: expected a number, got text",
    ],
    [
      "a missing key, at the table that should hold it",
      'name = "a"\n\n[limits]\n',
      "x.toml:3: limits.cpus: is missing",
    ],
    ["a missing key at the top", "\n", "x.toml:1: name: is missing"],
  ])("names file, line and key of %s", (_case, text, expected) => {
    expect(faultOf(() => parseToml({ text, file: "x.toml", stage: "image" }, shape)).message).toContain(
      expected,
    )
  })

  it("reports every wrong field at once", () => {
    const fault = faultOf(() => parseToml({ text: "a = 1\nb = 2\n", file: "x.toml", stage: "image" }, shape))
    expect(fault.message.split("\n")).toHaveLength(3)
    expect(fault.code).toBe("image/bad-field")
  })

  it("names the line of a syntax error", () => {
    const fault = faultOf(() =>
      parseToml({ text: 'name = "a"\nlimits = {\n', file: "x.toml", stage: "card" }, shape),
    )
    expect(fault.code).toBe("card/bad-toml")
    expect(fault.message).toMatch(/^x\.toml:[23]: /)
    expect(fault.hint).toContain("docs/definitions.md")
  })
})

describe("lineOfKey", () => {
  it("finds a quoted key in a table with a dotted name", () => {
    expect(lineOfKey('[a.b]\nx = 1\n"c d" = 2\n', ["a", "b", "c d"])).toBe(3)
  })

  it("does not take a key of the same name in another table", () => {
    expect(lineOfKey("[a]\nx = 1\n[b]\nx = 2\n", ["b", "x"])).toBe(4)
  })
})

describe("shapes of user-written files", () => {
  it("an empty card is a card", () => {
    expect(card.parse({})).toEqual({ resources: {}, egress: { sets: [] }, env: {} })
  })
})

function faultOf(work: () => unknown): Fault {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown
    throw thrown
  }
  throw new Error("expected a Fault, but nothing was thrown")
}
