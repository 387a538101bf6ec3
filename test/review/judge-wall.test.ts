import { describe, expect, it } from "vitest"
import { canonicalRuleset } from "../../contract/canonical-ruleset.ts"
import { compareEgress } from "../../review/compare-egress.ts"
import type { EgressView } from "../../review/egress-view.ts"
import { judgeWall } from "../../review/judge-wall.ts"
import { before, TODAY } from "./fixture-views.ts"
import { kernelProblem, loadRuleset, wallOpenedBy, wallWith } from "./wall/load-ruleset.ts"

/** What a real kernel made of a text. */
function viewOf(text: string): EgressView {
  const canonical = canonicalRuleset(loadRuleset(text))
  return { ...before, wall: { kind: "ruleset", from: "a kernel", text: null, canonical } }
}

describe("a packet filter that differs", () => {
  it("opens nothing where it is proven all the same", ({ skip }) => {
    if (kernelProblem) skip(kernelProblem)
    const stricter = wallWith({}, "add rule inet stereo output counter drop")
    const asked = { before: viewOf(wallWith({})), after: viewOf(stricter), today: TODAY, prove: judgeWall }
    expect(compareEgress(asked)).toMatchObject({
      opens: false,
      wall: { kind: "different" },
      proof: { proven: true },
    })
  })

  it("opens where it is not, with a packet that shows it", ({ skip }) => {
    if (kernelProblem) skip(kernelProblem)
    const open = wallOpenedBy("meta skuid 1000 accept")
    const asked = { before: viewOf(wallWith({})), after: viewOf(open), today: TODAY, prove: judgeWall }
    const { opens, proof } = compareEgress(asked)
    expect({ opens, proven: proof?.proven }).toEqual({ opens: true, proven: false })
    expect(proof?.lines.join("\n")).toMatch(/this packet leaves.*: .*\S/)
  })

  it("opens where it cannot be read", () => {
    expect(judgeWall('{"nftables": [{"rule": 1}]}')).toMatchObject({ proven: false })
    expect(judgeWall("{}").lines.join()).toContain("not proven")
  })
})
