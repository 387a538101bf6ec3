import { describe, expect, it } from "vitest"
import type { EgressDenial, EgressGrant, EgressPolicy } from "../../../contract/egress-grant.ts"
import { comparePolicies } from "../../../review/policy/compare-policies.ts"
import { findOpenings } from "../../../review/policy/find-openings.ts"
import { TODAY } from "./arbitrary-policy.ts"

const GRANT: EgressGrant = {
  ...{ id: "egress/a#1", source: { file: "policies/egress/a.toml", line: 6 }, scheme: "https" },
  ...{ host: "api.example.com", port: 443, methods: ["GET"], paths: ["/v1/*"], query: "none" },
  ...{ bodyCheck: null, git: null, websocket: false, maxPathBytes: null, maxRequestBytes: null },
  ...{ budgetBytes: null, why: "a reason of the test", owner: "somebody", expires: null },
}
const DENIAL: EgressDenial = {
  ...{ id: "live/1", source: { file: "live", line: 0 }, host: "api.example.com" },
  ...{ why: "closed by the test", owner: "somebody" },
}

type Change = Partial<EgressGrant>

function policy(changes: readonly Change[], denials: readonly EgressDenial[] = []): EgressPolicy {
  return { kind: "rules", sets: ["a"], grants: changes.map((change) => ({ ...GRANT, ...change })), denials }
}

function causes(before: EgressPolicy, after: EgressPolicy): string[] {
  return findOpenings(before, after, TODAY).map(({ cause }) => cause)
}

describe("what opens", () => {
  it.each<[string, Change, Change, string]>([
    ["another path", {}, { paths: ["/v1/*", "/v2"] }, "request"],
    ["a rest in place of a segment", {}, { paths: ["/v1/**"] }, "request"],
    ["an encoded slash", {}, { paths: ["/v1/*", "/v1/*%2f*"] }, "request"],
    ["another method", {}, { methods: ["GET", "POST"] }, "request"],
    ["another port", {}, { port: 8443 }, "request"],
    ["plain HTTP", {}, { scheme: "http" }, "request"],
    ["a wildcard for a name", {}, { host: "*.example.com" }, "request"],
    ["a query", {}, { query: "any" }, "request"],
    ["one query for another", { query: { only: "a" } }, { query: { only: "b" } }, "request"],
    ["a WebSocket", {}, { websocket: true }, "request"],
    ["longer paths", { maxPathBytes: 20 }, { maxPathBytes: 40 }, "request"],
    ["paths without a bound", { maxPathBytes: 20 }, {}, "request"],
    ["larger bodies", { maxRequestBytes: 0 }, { maxRequestBytes: 1 }, "request-size"],
    ["bodies up to the gateway's cap", { maxRequestBytes: 1 }, {}, "request-size"],
    ["a larger budget", { budgetBytes: 1 }, { budgetBytes: 2 }, "budget"],
    ["a body that is looked into no more", { bodyCheck: "git-lfs-download" }, {}, "body-check"],
    ["a later end", { expires: "2027-02-01" }, { expires: "2027-02-02" }, "later"],
    ["no end", { expires: "2027-02-01" }, {}, "later"],
    ["what had expired", { expires: "2027-01-14" }, { expires: TODAY }, "request"],
  ])("%s opens, and the way back closes", (_what, before, after, cause) => {
    expect(causes(policy([before]), policy([after]))).toContain(cause)
    const back = comparePolicies(policy([after]), policy([before]), TODAY)
    expect([...back.closes, ...back.ends].map((one) => one.cause)).toContain(cause)
  })

  it.each<[string, readonly Change[], readonly Change[]]>([
    ["a name that a wildcard matched", [{ host: "*.example.com" }], [{}]],
    ["a path that a pattern matched", [{}], [{ paths: ["/v1/messages", "/v1/a*b"] }]],
    [
      "a rest that two patterns cover together",
      [{ paths: ["/v1", "/v1/**"] }],
      [{ paths: ["/v1", "/v1/*/x/**"] }],
    ],
    ["one rule split in two", [{ methods: ["GET", "POST"] }], [{ methods: ["POST"] }, { methods: ["GET"] }]],
    ["another spelling of an escape", [{ paths: ["/a%2fb"] }], [{ paths: ["/a%2Fb"] }]],
    ["a bound that no path reaches", [{ paths: ["/v1"], maxPathBytes: 10 }], [{ paths: ["/v1"] }]],
    ["other words", [{}], [{ why: "another reason", owner: "others", id: "egress/b#7" }]],
    ["an earlier end", [{}], [{ expires: "2027-03-01" }]],
    ["a rule that has expired", [{}], [{}, { host: "b.example.com", expires: "2027-01-14" }]],
  ])("%s opens nothing", (_what, before, after) => {
    expect(causes(policy(before), policy(after))).toEqual([])
  })

  it("is found across rules: two that together are wider than one", () => {
    const before = policy([{ paths: ["/v1/**"] }, { paths: ["/v2/**"], id: "egress/a#2" }])
    expect(causes(before, policy([{ paths: ["/*/x"] }]))).toEqual(["request"])
    expect(causes(before, policy([{ paths: ["/v1/x", "/v2/*"] }]))).toEqual([])
  })

  it("is a denial that is gone, if a rule stands behind it", () => {
    expect(causes(policy([{}], [DENIAL]), policy([{}]))).toEqual(["denial"])
    expect(causes(policy([], [DENIAL]), policy([]))).toEqual([])
    expect(causes(policy([{}]), policy([{}], [DENIAL]))).toEqual([])
  })

  it("is what a git rule held read only, once that rule is gone", () => {
    const wide: Change = { id: "egress/a#2", methods: ["GET", "POST"], paths: ["/**"], query: "any" }
    const git: Change = { git: "transport", methods: ["POST"], paths: ["/a/git-upload-pack"] }
    const [opening, ...more] = findOpenings(policy([git, wide]), policy([wide]), TODAY)
    expect(more).toEqual([])
    expect(opening).toMatchObject({ cause: "request", methods: ["GET", "POST"] })
    expect(causes(policy([wide]), policy([git, wide]))).toEqual([])
  })

  it("is a push by its path alone, where a git rule held its host read only", () => {
    const wide: Change = { id: "egress/a#2", paths: ["/**"] }
    const git: Change = { git: "transport", methods: ["POST"], paths: ["/a/git-upload-pack"] }
    const [opening] = findOpenings(policy([git, wide]), policy([wide]), TODAY)
    expect(opening).toMatchObject({ cause: "request", methods: ["GET"], paths: ["/**"] })
    expect(opening?.example?.path.toLowerCase()).toContain("receive-pack")
  })

  it("is a budget that several rules share out, each with the whole of it", () => {
    const one = policy([{ budgetBytes: 10, methods: ["GET", "POST"] }])
    const two = (bytes: number) =>
      policy([
        { budgetBytes: bytes, methods: ["GET"] },
        { budgetBytes: bytes, methods: ["POST"], id: "egress/a#2" },
      ])
    expect(causes(one, two(10))).toEqual(["budget", "budget"])
    expect(causes(one, two(5))).toEqual([])
  })

  it("is all of a rule whose patterns are too many to tell", () => {
    const paths = [..."abcdefghijklmno"].map((letter) => `/*${letter}*`)
    expect(causes(policy([{ paths }]), policy([{ paths: paths.slice(1) }]))).toEqual(["undecided"])
    expect(causes(policy([{ paths }]), policy([{ paths, why: "the same patterns" }]))).toEqual([])
  })
})

describe("what changes and opens nothing", () => {
  const changes = (before: EgressPolicy, after: EgressPolicy) =>
    comparePolicies(before, after, TODAY).changes.map(({ kind, subject }) => `${kind} ${subject}`)

  it.each<[string, readonly Change[], readonly Change[], readonly string[]]>([
    [
      "a reason and an owner",
      [{}],
      [{ why: "another reason", owner: "others" }],
      ["why egress/a#1", "owner egress/a#1"],
    ],
    [
      "a rule's place",
      [{}],
      [{ source: { file: "policies/egress/b.toml", line: 1 } }],
      ["source egress/a#1"],
    ],
    [
      "a rule that adds nothing",
      [{}],
      [{}, { id: "egress/a#2", paths: ["/v1/x"] }],
      ["redundant egress/a#2"],
    ],
    [
      "a rule that is not missed",
      [{}, { id: "egress/a#2", paths: ["/v1/x"] }],
      [{}],
      ["superseded egress/a#2"],
    ],
    ["nothing but the line", [{}], [{ source: { file: "policies/egress/a.toml", line: 9 } }], []],
  ])("tells of %s", (_what, before, after, told) => {
    expect(changes(policy(before), policy(after))).toEqual(told)
  })

  it("tells of a denial", () => {
    expect(changes(policy([{}]), policy([{}], [DENIAL]))).toEqual(["denial live/1"])
  })
})
