import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { compareEgress, renderDiff } from "../../review/compare-egress.ts"
import { DIFF_FORMATS } from "../../review/egress-diff.ts"
import type { EgressView, InnerWall } from "../../review/egress-view.ts"
import { compareWalls } from "../../review/wall-diff.ts"
import { after, before, broken, TODAY } from "./fixture-views.ts"

const golden = join(import.meta.dirname, "../golden/review")
const unproven = { proven: false, lines: [] }
const compare = (from: EgressView, to: EgressView, prove = () => unproven) =>
  compareEgress({ before: from, after: to, today: TODAY, prove })

describe("egress diff", () => {
  it.each(DIFF_FORMATS)("as %s: the golden form", async (format) => {
    await expect(renderDiff(compare(before, after), format)).toMatchFileSnapshot(
      join(golden, `diff-${format}.golden`),
    )
  })

  it.each(["text", "markdown"] as const)(
    "as %s lets no character of a file reorder what is read",
    (format) => {
      expect(renderDiff(compare(before, after), format)).not.toMatch(/\p{Cf}/u)
    },
  )

  it("opens nothing between a target and itself", () => {
    const diff = compare(before, before)
    expect(diff).toMatchObject({ opens: false, policy: { opens: [], closes: [], ends: [], changes: [] } })
    expect(renderDiff(diff, "text")).toContain("nothing opens")
  })

  it("counts a denial that ends by itself as none, but for the very same one", () => {
    if (before.policy.kind !== "rules") throw new TypeError("the fixture has rules")
    const source = { file: "live", line: 0 }
    const denial = { id: "live/1", source, host: "api.example.com", why: "an incident", owner: "somebody" }
    const denied: EgressView = { ...before, policy: { ...before.policy, denials: [denial] } }
    const ending: EgressView = { ...denied, endingDenials: ["live/1"] }
    expect(compare(denied, denied).opens).toBe(false)
    expect(compare(ending, ending).opens).toBe(false)
    expect(compare(before, ending).opens).toBe(false)
    expect(compare(denied, ending).policy.opens).toMatchObject([{ cause: "denial" }])
  })

  it("opens nothing towards a broken policy, and everything away from it", () => {
    expect(compare({ ...before, wall: broken.wall }, broken).policy).toMatchObject({ opens: [] })
    expect(compare(broken, { ...before, wall: broken.wall }).policy.opens).toHaveLength(4)
  })
})

describe("the inner wall in a diff", () => {
  const listing = (rules: readonly string[]): InnerWall => {
    const canonical = `{"nftables": [\n${rules.join(",\n")}\n]}\n`
    return { kind: "ruleset", from: "a kernel", text: null, canonical }
  }
  const rule = (verdict: string) => `{"rule":{"chain":"output","expr":[{"${verdict}":null}]}}`
  const view = (wall: InnerWall): EgressView => ({ ...before, wall })
  const closed = listing([rule("drop")])
  const open = listing([rule("accept")])

  it("counts as opening where it differs and nobody has proven it", () => {
    const diff = compare(view(closed), view(open))
    expect(diff).toMatchObject({ opens: true, wall: { removed: [rule("drop")], added: [rule("accept")] } })
    expect(renderDiff(diff, "text")).toContain("not proven of the second")
  })

  it("opens nothing where the second is proven", () => {
    const asked: string[] = []
    const prove = (text: string) => {
      asked.push(text)
      return { proven: true, lines: ["all packets"] }
    }
    const diff = compareEgress({ before: view(closed), after: view(open), today: TODAY, prove })
    expect(diff.opens).toBe(false)
    expect(asked.map((text) => JSON.parse(text))).toEqual([{ nftables: [JSON.parse(rule("accept"))] }])
  })

  it("counts as opening where it cannot be compared", () => {
    const unknown: InnerWall = { kind: "unknown", why: "no template" }
    expect(compare(view(closed), view(unknown)).opens).toBe(true)
    expect(compare(view(unknown), view(closed)).opens).toBe(true)
    expect(compare(before, view(closed)).opens).toBe(true)
  })

  it("differs where only the order does, and not where only blank lines and remarks do", () => {
    const both = [rule("drop"), rule("accept")]
    expect(compareWalls(listing(both), listing(both.toReversed()))).toMatchObject({ orderOnly: true })
    const text = (words: string): InnerWall => ({
      kind: "ruleset",
      from: "a file",
      text: words,
      canonical: null,
    })
    expect(compareWalls(text("# one\n\ndrop\n"), text("\tdrop\n"))).toEqual({ kind: "same" })
  })
})
