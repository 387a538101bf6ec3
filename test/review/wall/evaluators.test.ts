import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { compileRuleset } from "../../../review/wall/compile-ruleset.ts"
import type { Evaluation } from "../../../review/wall/evaluate-chain.ts"
import { intersect, subtract, unite } from "../../../review/wall/interval.ts"
import { DIMENSIONS } from "../../../review/wall/packet-space.ts"
import { parseListing } from "../../../review/wall/parse-listing.ts"
import { passPackets } from "../../../review/wall/pass-packets.ts"
import type { Region } from "../../../review/wall/region.ts"
import { type Packet, runPacket } from "../../../review/wall/run-packet.ts"
import { arbitraryRuleset } from "./arbitrary-ruleset.ts"
import { kernelProblem, loadSound } from "./load-ruleset.ts"

const set = fc
  .array(fc.tuple(fc.bigInt(0n, 30n), fc.bigInt(0n, 6n)), { maxLength: 5 })
  .map((pairs) => unite(pairs.map(([low, length]) => [low, low + length] as const)))
const membersOf = (of: ReturnType<typeof unite>) => {
  return Array.from({ length: 40 }, (_, index) => of.some(([low, high]) => low <= index && index <= high))
}

/** A packet that the space really has: what depends on another is made to fit. */
const packet: fc.Arbitrary<Packet> = fc
  .record({
    protocol: fc.constantFrom(6n, 17n, 1n),
    destination: fc.constantFrom(0x0a4d0002n, 0x0a4d0003n, 0x7f000001n, 0x05050505n),
    dport: fc.constantFrom(53n, 80n, 85n, 443n, 100n),
    owner: fc.constantFrom(0n, 990n, 1000n, 1001n, 2n ** 32n),
    tracking: fc.constantFrom([0n, 0n], [1n, 0n], [1n, 1n], [2n, 0n], [3n, 2n], [4n, 2n]),
    oif: fc.constantFrom(1n, 2n),
    mark: fc.constantFrom(0n, 7n),
    bound: fc.constantFrom(0n, 1n),
  })
  .map(({ owner, tracking, ...rest }) => ({
    ...{ ...rest, family: 4n, source: 0x0a4d0001n, sport: 40_000n, uid: owner, gid: owner, iif: 0n },
    ...{ state: tracking[0] ?? 0n, direction: tracking[1] ?? 0n },
  }))

describe("sets of numbers", () => {
  it("unite, intersect and subtract as their members do", () => {
    fc.assert(
      fc.property(set, set, (left, right) => {
        const [inLeft, inRight] = [membersOf(left), membersOf(right)]
        expect(membersOf(unite(left, right))).toEqual(inLeft.map((is, index) => is || inRight[index]))
        expect(membersOf(intersect(left, right))).toEqual(inLeft.map((is, index) => is && inRight[index]))
        expect(membersOf(subtract(left, right))).toEqual(inLeft.map((is, index) => is && !inRight[index]))
      }),
      { seed: 20_261_125 },
    )
  })
})

describe("the two evaluators", () => {
  beforeEach((context) => {
    if (kernelProblem) context.skip(kernelProblem)
  })

  it("agree on what becomes of single packets, over rulesets made at random", { timeout: 60_000 }, () => {
    const sample = fc.sample(fc.tuple(arbitraryRuleset, fc.array(packet, { minLength: 60, maxLength: 60 })), {
      numRuns: 30,
      seed: 20_261_125,
    })
    const ends: string[] = []
    for (const [text, packets] of sample) {
      const ruleset = compileRuleset(parseListing(loadSound(text).listing))
      const evaluation: Evaluation = { ruleset, constructs: new Map(), steps: 10 ** 7 }
      const { leaving, inside } = passPackets(evaluation)
      for (const one of packets) {
        const { journeys, complete } = runPacket(ruleset, one, null)
        const seen = new Set(journeys.map(({ end }) => end))
        const fits = (regions: readonly Region[], sure: boolean) =>
          regions.some((region) => holds(region, one, sure))
        // all that one packet may do, the regions must know of; what they are sure of, each journey must do
        const said = { text, packet: show(one), ends: [...seen] }
        if (seen.has("leaves")) expect(fits(leaving, false), JSON.stringify(said)).toBe(true)
        if (seen.has("inside")) expect(fits(inside, false), JSON.stringify(said)).toBe(true)
        if (!complete) continue
        if (fits(leaving, false) && !seen.has("leaves"))
          expect.fail(`leaves by region only: ${JSON.stringify(said)}`)
        if (fits(inside, false) && !seen.has("inside"))
          expect.fail(`inside by region only: ${JSON.stringify(said)}`)
        if (fits(leaving, true)) expect(seen.has("leaves")).toBe(true)
        ends.push(...seen)
      }
      expect([...evaluation.constructs.values()]).toEqual([])
    }
    for (const end of ["leaves", "inside", "dropped"])
      expect(ends.filter((one) => one === end).length).toBeGreaterThan(50)
  })
})

function holds({ box, sure }: Region, one: Packet, mustBeSure: boolean): boolean {
  if (mustBeSure && !sure) return false
  return DIMENSIONS.every((name) => box[name].some(([low, high]) => low <= one[name] && one[name] <= high))
}

function show(one: Packet) {
  return Object.fromEntries(DIMENSIONS.map((name) => [name, String(one[name])]))
}
