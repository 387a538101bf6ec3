import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalRuleset, digestRuleset } from "../../contract/canonical-ruleset.ts"
import { guestHealth } from "../../contract/control.ts"
import { measurementLine } from "../../contract/measurement.ts"
import { digestUnitSet, renderUnitSet } from "../../contract/unit-set.ts"
import { judgeMeasurement } from "../../host-proxy/attestation/judge-measurement.ts"
import { FAKE_MEASURED } from "../fakes/measured.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

const ruleset = canonicalRuleset(FAKE_MEASURED.ruleset)
const units = renderUnitSet(FAKE_MEASURED.units)
const expected = {
  image: "base",
  digests: {
    rootHash: FAKE_MEASURED.root.hash,
    rulesetSha256: digestRuleset(ruleset),
    unitsSha256: digestUnitSet(units),
  },
  ruleset,
  units,
}
const words = fc.constantFrom(
  ...["", "accept", "drop", "skuid", "output", "alive", "measured", "/etc/machine-id", "0644", "link", "\n"],
)
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    words,
    fc.oneof(fc.integer(), fc.double(), fc.constant(null), fc.boolean(), fc.string({ maxLength: 20 })),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(words, tie("value"), { maxKeys: 3 }),
  ),
})).value

describe("what a guest says on the control wire", { timeout: FUZZ_TIMEOUT_MS }, () => {
  it("control: with something else at any one place, it is refused, or says the same of rules, root and units", () =>
    runProperty(
      fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 12 }), value, (way, other) => {
        const parsed = measurementLine.safeParse(replaceAt(FAKE_MEASURED, way, other))
        if (!parsed.success || parsed.data.kind !== "measured") return
        const said = parsed.data
        if (judgeMeasurement(expected, said).mismatch !== null) return
        expect(canonicalRuleset(said.ruleset)).toBe(ruleset)
        expect(renderUnitSet(said.units)).toBe(units)
        expect({ ...said.root, covered: [] }).toEqual({ ...FAKE_MEASURED.root, covered: [] })
        expect(said.changed).toBe(false)
      }),
    ))

  it("control: the words for a difference are bounded, whatever the guest made of its listing", () =>
    runProperty(
      fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 12 }), value, (way, other) => {
        const listing = replaceAt(FAKE_MEASURED.ruleset, way, other)
        const { mismatch } = judgeMeasurement(expected, { ...FAKE_MEASURED, ruleset: listing })
        expect(mismatch?.reason.length ?? 0).toBeLessThan(8192)
      }),
    ))

  it("control: any JSON is a health or a line of measurements of bounded fields, or is refused", () =>
    runProperty(
      fc.property(fc.oneof(fc.jsonValue(), value), (said) => {
        const health = guestHealth.safeParse(said)
        if (health.success) expect(health.data.bootId.length).toBeLessThanOrEqual(64)
        const line = measurementLine.safeParse(said)
        if (line.success) expect(["measured", "changing", "unwatched", "alive"]).toContain(line.data.kind)
      }),
    ))
})

/** The document with `other` where `way` leads: at each step the entry of that number, counted round. */
function replaceAt(document: unknown, way: readonly number[], other: unknown): unknown {
  const [step, ...rest] = way
  if (step === undefined || typeof document !== "object" || document === null) return other
  const keys = Object.keys(document)
  const chosen = keys[step % Math.max(keys.length, 1)]
  if (chosen === undefined) return other
  const inner = replaceAt(Reflect.get(document, chosen), rest, other)
  if (Array.isArray(document)) return document.with(Number(chosen), inner)
  return { ...document, [chosen]: inner }
}
