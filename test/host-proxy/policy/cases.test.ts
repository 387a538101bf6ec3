import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { EgressPolicy } from "../../../contract/egress-grant.ts"
import { readEgressSets } from "../../../host-proxy/policy/read-egress-sets.ts"
import { projectDir } from "../../rules/sources.ts"
import { decideCase, type EgressCase, readCases } from "./egress-cases.ts"

const folder = join(projectDir, "policies/egress")
const today = new Date().toISOString().slice(0, 10)
const files = readCases()

async function read(sets: readonly string[]): Promise<EgressPolicy> {
  return readEgressSets(folder, sets)
}

describe("the ready sets", () => {
  const names = readdirSync(folder).map((file) => file.replace(/\.toml$/, ""))

  it.each(names)(
    "%s has cases: each of its rules lets something out, and something is refused",
    async (name) => {
      const policy = await read([name])
      const rules = policy.kind === "rules" ? policy.grants.map(({ id }) => id) : [policy.reason]
      const cases = files.filter(({ sets }) => sets.includes(name)).flatMap((file) => file.cases)
      const allowed = cases.filter((one) => one.expect === "allow").map(({ rule }) => rule)
      expect(new Set(rules).difference(new Set(allowed))).toEqual(new Set())
      expect(cases.some((one) => one.expect === "refuse")).toBe(true)
    },
  )

  it("of registries only read: no method that sends, no body, no query, no name without a bound", async () => {
    const policy = await read(["npm", "pypi", "crates", "debian"])
    for (const grant of policy.kind === "rules" ? policy.grants : []) {
      expect(grant).toMatchObject({
        methods: ["GET", "HEAD"],
        query: "none",
        maxRequestBytes: 0,
        websocket: false,
      })
      expect(grant.maxPathBytes).toBeLessThanOrEqual(480)
      expect(grant.budgetBytes).not.toBeNull()
    }
  })

  it("do not open each other's refusals: all of them together decide each case alike", async () => {
    const all = await read(names)
    const changed = files.flatMap((file) =>
      file.cases
        .filter((one) => decideCase(one, all, today).expect !== one.expect)
        .map(({ request }) => request),
    )
    expect(changed).toEqual([])
  })
})

describe.each(files)("policies/cases/$name.toml", ({ sets, cases }) => {
  it.each(cases.map((one): [string, EgressCase] => [`${one.expect}s ${one.request.slice(0, 100)}`, one]))(
    "%s",
    async (_name, one) => {
      expect(decideCase(one, await read(sets), today)).toEqual({ expect: one.expect, rule: one.rule })
    },
  )
})
