import { describe, expect, it } from "vitest"
import type { AttackResult } from "../../attack/attack.ts"
import type { Verdict } from "../../attack/judge.ts"
import { planCases } from "../../attack/plan-cases.ts"
import { renderJunit, renderRows, toJson } from "../../attack/report/render-results.ts"
import { summarise } from "../../attack/summarise.ts"

const [agent, root] = planCases({
  only: ["34-https"],
  nonce: "abcdef",
  allowsHost: () => true,
  hasWorld: true,
})

function result(kind: Verdict["kind"], seen: string, ms: number | null = 120): AttackResult {
  if (!agent) throw new Error("34-https is gone")
  return { attack: agent, verdict: { kind, seen, rules: [] }, ms, remark: "" }
}

const outcome = (...results: AttackResult[]) => ({ phase: "fresh", results, strays: [] as string[] })

describe("the battery's outcome", () => {
  it("is 0 only when all held, 2 when anything got through, 1 when something was not tried", () => {
    expect(summarise([outcome(result("held", "403"), result("skipped", "no"))]).exitCode).toBe(0)
    expect(summarise([outcome(result("held", "403"), result("untried", "silence"))]).exitCode).toBe(1)
    expect(summarise([outcome(result("untried", "silence"), result("through", "tcp"))]).exitCode).toBe(2)
    expect(
      summarise([{ ...outcome(result("held", "403")), strays: ["tcp reached 1.1.1.1:22"] }]).exitCode,
    ).toBe(2)
  })

  it("names the slowest refusal by the guest's clock", () => {
    const summary = summarise([
      outcome(result("held", "403", 80), result("held", "403", 910), result("skipped", "", null)),
    ])
    expect(summary.slowest?.ms).toBe(910)
  })

  it("as JUnit has a failure for what got through, an error for what was not tried, and no markup of a guest's", () => {
    const hostile = result("through", 'tls reached "><evil>\u0001\u001b[2J')
    const xml = renderJunit("demo", [
      outcome(result("held", ""), hostile, result("untried", "x"), result("skipped", "y")),
    ])
    expect(xml).toMatch(/tests="4" failures="1" errors="1" skipped="1"/)
    expect(xml).toContain("&#34;&#62;&#60;evil&#62;??[2J")
    expect(["<evil>", "\u0001", "\u001b"].filter((text) => xml.includes(text))).toEqual([])
  })

  it("as a table and as JSON says vector, user, expectation and what was seen", () => {
    expect(root?.from).toBe("root")
    expect(renderRows(outcome(result("held", "403 egress/no-rule", 119.6)))).toEqual([
      ["34-https", "agent", "403", "held", "403 egress/no-rule", "120"],
    ])
    expect(toJson(outcome(result("held", "403"))).results[0]).toMatchObject({
      name: "34-https:agent",
      group: "G3",
      verdict: "held",
      expected: "403",
    })
  })
})
