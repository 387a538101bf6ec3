import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { canonicalRuleset, digestRuleset } from "../../../contract/canonical-ruleset.ts"
import { digestUnitSet, renderUnitSet } from "../../../contract/unit-set.ts"
import { Attestation } from "../../../host-proxy/attestation/attestation.ts"
import { FAKE_MEASURED } from "../../fakes/measured.ts"

const [ruleset, units] = [canonicalRuleset(FAKE_MEASURED.ruleset), renderUnitSet(FAKE_MEASURED.units)]
const digests = {
  rootHash: FAKE_MEASURED.root.hash,
  rulesetSha256: digestRuleset(ruleset),
  unitsSha256: digestUnitSet(units),
}

function open() {
  const closed: string[] = []
  const kinds: string[] = []
  const attestation = new Attestation({
    expected: { image: "base", digests, ruleset, units },
    before: null,
    now: Date.now,
    log: () => undefined,
    onClosed: (reason) => closed.push(reason),
    onFinding: (kind) => kinds.push(kind),
  })
  return { attestation, closed, kinds }
}

describe("silence", () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it("of half a minute closes the wire; a line every five seconds keeps it open", () => {
    const { attestation, closed, kinds } = open()
    attestation.take(FAKE_MEASURED)
    for (let seconds = 0; seconds < 120; seconds += 5) {
      vi.advanceTimersByTime(5_000)
      attestation.take({ kind: "alive" })
    }
    expect(attestation.gate()).toBeNull()
    vi.advanceTimersByTime(29_000)
    expect(attestation.gate()).toBeNull()
    vi.advanceTimersByTime(1_001)
    expect(attestation.gate()).toMatchObject({ status: 503, rule: "attestation/silent" })
    expect(closed).toHaveLength(1)
    expect(kinds).toEqual(["attestation/silent"])
  })

  it("is ended by a measurement, and by nothing less", () => {
    const { attestation } = open()
    attestation.take(FAKE_MEASURED)
    vi.advanceTimersByTime(31_000)
    expect(() => attestation.take({ kind: "alive" })).toThrow("measure itself anew")
    expect(attestation.gate()?.rule).toBe("attestation/silent")
    attestation.take(FAKE_MEASURED)
    expect(attestation.gate()).toBeNull()
  })

  it("after the agent restarted is one as well: its streams do not go on for ever", () => {
    const { attestation, closed } = open()
    attestation.take(FAKE_MEASURED)
    attestation.restarted()
    expect(attestation.gate()?.rule).toBe("attestation/pending")
    expect(closed).toEqual([])
    vi.advanceTimersByTime(31_000)
    expect(attestation.gate()?.rule).toBe("attestation/silent")
    expect(closed).toHaveLength(1)
  })

  it("is refused at once, and a change that is announced in it closes the wire for good", async () => {
    const { attestation } = open()
    attestation.take(FAKE_MEASURED)
    vi.advanceTimersByTime(31_000)
    await attestation.settled() // would hang on the timers that stand still
    attestation.take({ kind: "changing" })
    attestation.take(FAKE_MEASURED)
    expect(attestation.gate()).toMatchObject({ status: 403, rule: "attestation/ruleset" })
  })
})

describe("a guest that is heard and unheard in turn", () => {
  it("fills no archive, and what closes its wire is recorded all the same", () => {
    const { attestation, kinds } = open()
    for (let round = 0; round < 1_000; round += 1) {
      attestation.take(FAKE_MEASURED)
      attestation.take({ kind: "unwatched", reason: "" })
    }
    expect(kinds).toHaveLength(50)
    attestation.take({ kind: "changing" })
    expect(kinds).toHaveLength(51)
    expect(kinds.at(-1)).toBe("attestation/ruleset")
    attestation[Symbol.dispose]()
  })
})
