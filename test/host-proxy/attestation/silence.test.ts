import { afterEach, describe, expect, it, vi } from "vitest"
import { canonicalRuleset, digestRuleset } from "../../../contract/canonical-ruleset.ts"
import { digestUnitSet, renderUnitSet } from "../../../contract/unit-set.ts"
import { Attestation } from "../../../host-proxy/attestation/attestation.ts"
import { FAKE_MEASURED } from "../../fakes/measured.ts"

const PROMISED = {
  rootHash: FAKE_MEASURED.root.hash,
  rulesetSha256: digestRuleset(canonicalRuleset(FAKE_MEASURED.ruleset)),
  unitsSha256: digestUnitSet(renderUnitSet(FAKE_MEASURED.units)),
}

describe("a guest that says nothing more", () => {
  afterEach(() => vi.useRealTimers())

  function openSilent() {
    vi.useFakeTimers()
    const closed: string[] = []
    const findings: string[] = []
    const attestation = new Attestation({
      expected: { image: "base", digests: PROMISED, ruleset: null, units: null },
      before: null,
      now: Date.now,
      log: () => undefined,
      onClosed: (reason) => closed.push(reason),
      onFinding: (kind) => findings.push(kind),
    })
    attestation.take(FAKE_MEASURED)
    return { attestation, closed, findings }
  }

  it("is closed after 30 seconds, its calls are cut, and new ones are refused at once", async () => {
    const { attestation, closed, findings } = openSilent()
    expect(attestation.gate()).toBeNull()
    vi.advanceTimersByTime(25_000)
    attestation.take({ kind: "alive" })
    vi.advanceTimersByTime(29_999)
    expect(attestation.gate()).toBeNull()
    vi.advanceTimersByTime(1)
    expect(attestation.gate()).toMatchObject({ status: 503, rule: "attestation/silent" })
    expect(closed).toEqual([expect.stringContaining("attestation/silent")])
    expect(findings).toEqual(["attestation/silent"])
    await attestation.settled() // would hang on the timers that stand still
  })

  it("is not believed when it goes on as if nothing were, and opens when it measures itself the same", () => {
    const { attestation } = openSilent()
    vi.advanceTimersByTime(30_000)
    expect(() => attestation.take({ kind: "alive" })).toThrow(/measure itself anew/)
    attestation.take(FAKE_MEASURED)
    expect(attestation.gate()).toBeNull()
  })

  it("and then of a change is closed for good", () => {
    const { attestation } = openSilent()
    vi.advanceTimersByTime(30_000)
    attestation.take({ kind: "changing" })
    attestation.take(FAKE_MEASURED)
    expect(attestation.gate()).toMatchObject({ status: 403, rule: "attestation/ruleset" })
  })

  it("and is heard again, over and over, fills no archive", () => {
    const { attestation, findings } = openSilent()
    for (let round = 0; round < 1_000; round += 1) {
      attestation.take({ kind: "unwatched", reason: "" })
      attestation.take(FAKE_MEASURED)
    }
    expect(findings.length).toBe(50)
    attestation.take({ kind: "changing" })
    expect(findings.at(-1)).toBe("attestation/ruleset")
  })
})
