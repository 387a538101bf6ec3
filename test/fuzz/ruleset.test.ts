import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Fault } from "../../contract/fault.ts"
import { proveWall } from "../../review/verify-wall.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

/** A small wall as a kernel lists it, which a guest's root may change at any place. */
const sound = readFileSync(new URL("../golden/review/small-wall.json", import.meta.url), "utf8")
const words = fc.constantFrom(
  ...[
    "accept",
    "drop",
    "return",
    "jump",
    "goto",
    "vmap",
    "map",
    "set",
    "range",
    "prefix",
    "concat",
    "payload",
    "meta",
  ],
  ...[
    "ct",
    "match",
    "op",
    "left",
    "right",
    "==",
    "!=",
    "in",
    "!",
    "key",
    "data",
    "skuid",
    "daddr",
    "@a",
    "10.0.0.0",
  ],
  ...[
    "flow",
    "limit",
    "redirect",
    "dnat",
    "target",
    "output",
    "gateway",
    "refuse",
    "__proto__",
    "eth*",
    "elem",
    "val",
  ],
)
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    words,
    fc.oneof(fc.integer(), fc.double(), fc.constant(null), fc.boolean(), fc.string()),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(words, tie("value"), { maxKeys: 3 }),
  ),
})).value

describe("the reader of a guest's ruleset", { timeout: FUZZ_TIMEOUT_MS }, () => {
  it("any document gives a verdict or a fault with a name, and never a proof of what is no listing", () =>
    runProperty(
      fc.property(
        fc.oneof(
          value,
          fc.array(value).map((nftables) => ({ nftables })),
        ),
        (document) => {
          expect(verdictOf(document)).not.toBe("proven")
        },
      ),
    ))

  it("a listing with something else at one place gives a verdict or a fault, in bounded time", () =>
    runProperty(
      fc.property(fc.nat(), value, (place, other) => {
        const listing: unknown = JSON.parse(sound)
        replaceAt(listing, place, other)
        expect(["proven", "broken", "not proven", "review/bad-ruleset"]).toContain(verdictOf(listing))
      }),
    ))

  it("the listing itself is proven, or nothing above says anything", () => {
    expect(verdictOf(JSON.parse(sound))).toBe("proven")
  })
})

function verdictOf(document: unknown): string {
  try {
    return proveWall(document).verdict
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(Fault)
    return (thrown as Fault).code
  }
}

/** Counts through all values of the document, and puts another in place of one of them. */
function replaceAt(document: unknown, place: number, other: unknown): void {
  const places: (readonly [Record<string, unknown>, string])[] = []
  const visit = (at: unknown): void => {
    if (typeof at !== "object" || at === null) return
    for (const [key, inner] of Object.entries(at)) {
      places.push([at as Record<string, unknown>, key])
      visit(inner)
    }
  }
  visit(document)
  const [parent, key] = places[place % places.length] ?? []
  if (parent !== undefined && key !== undefined) parent[key] = other
}
