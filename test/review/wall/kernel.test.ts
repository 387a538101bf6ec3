import fc from "fast-check"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { compileRuleset } from "../../../review/wall/compile-ruleset.ts"
import { parseListing } from "../../../review/wall/parse-listing.ts"
import { parseValues } from "../../../review/wall/parse-values.ts"
import { type Packet, runPacket } from "../../../review/wall/run-packet.ts"
import type { Ruleset } from "../../../review/wall/statement.ts"
import { arbitraryRuleset } from "./arbitrary-ruleset.ts"
import { type Attempt, KernelLab } from "./kernel-lab.ts"
import { kernelProblem, loadSound } from "./load-ruleset.ts"

const SEED = 20_261_125
const attempt: fc.Arbitrary<Attempt> = fc.record({
  protocol: fc.constantFrom("tcp", "udp"),
  destination: fc.constantFrom("10.77.0.2", "10.77.0.3", "10.77.0.4", "127.0.0.1", "5.5.5.5"),
  dport: fc.constantFrom(53, 80, 85, 443, 100),
  uid: fc.constantFrom(0, 990, 1000, 1001),
  bound: fc.boolean(),
})

describe("the model of the kernel, beside the kernel", () => {
  let lab: KernelLab
  beforeEach((context) => {
    if (kernelProblem) context.skip(kernelProblem)
  })
  beforeAll(() => {
    if (!kernelProblem) lab = new KernelLab()
  })
  afterAll(() => lab?.[Symbol.dispose]())

  it("says of real packets what becomes of them, over rulesets made at random", { timeout: 60_000 }, () => {
    const sample = fc.sample(
      fc.tuple(arbitraryRuleset, fc.array(attempt, { minLength: 24, maxLength: 24 })),
      {
        numRuns: 30,
        seed: SEED,
      },
    )
    const compared = { left: 0, stayed: 0, undecided: 0, translated: 0 }
    for (const [drawn, attempts] of sample) {
      const { text } = loadSound(drawn)
      const ruleset = compileRuleset(parseListing(lab.load(text)))
      const arrived = lab.send(attempts)
      attempts.forEach((one, index) => {
        const expected = predict(ruleset, one)
        const seen = arrived[index] ?? null
        if (expected === "undecided") {
          compared.undecided += 1
          return
        }
        expect(seen, `${JSON.stringify(one)} through\n${text}`).toBe(expected)
        compared[seen === null ? "stayed" : "left"] += 1
        if (seen !== null && seen !== `${one.destination} ${one.dport}`) compared.translated += 1
      })
    }
    expect(compared.left).toBeGreaterThan(100)
    expect(compared.stayed).toBeGreaterThan(100)
    expect(compared.translated).toBeGreaterThan(0)
    expect(compared.undecided).toBeLessThan(compared.left)
  })
})

/** Where it arrives, as the lab says it; null when it does not leave. */
function predict(ruleset: Ruleset, one: Attempt): string | null {
  const { journeys, complete } = runPacket(ruleset, packetOf(one), null)
  const ends = journeys.map(({ end, values }) => {
    return end === "leaves" ? `${render(values.destination[0]?.[0] ?? 0n)} ${values.dport[0]?.[0]}` : null
  })
  const [first = null] = ends
  return complete && ends.every((end) => end === first) ? first : "undecided"
}

function packetOf({ protocol, destination, dport, uid, bound }: Attempt): Packet {
  const to = address(destination)
  const loopback = destination.startsWith("127.") && !bound
  return {
    ...{ family: 4n, protocol: protocol === "tcp" ? 6n : 17n, destination: to, dport: BigInt(dport) },
    ...{ source: loopback ? to : address("10.77.0.1"), sport: 20_000n, uid: BigInt(uid), gid: BigInt(uid) },
    ...{ iif: 0n, oif: loopback ? 1n : 2n, state: 0n, direction: 0n, mark: 0n, bound: BigInt(bound) },
  }
}

function address(text: string): bigint {
  return parseValues(text, { kind: "ipv4" })?.[0]?.[0] ?? 0n
}

function render(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")
}
