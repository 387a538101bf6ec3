import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { EgressPolicy } from "../../../contract/egress-grant.ts"
import { egressSet } from "../../../contract/egress-set.ts"
import { expandEgressSet } from "../../../contract/expand-egress-set.ts"
import type { EgressRequest } from "../../../contract/verdict.ts"
import { decideConnect, decideEgress } from "../../../host-proxy/policy/decide-egress.ts"
import { readEgressSets } from "../../../host-proxy/policy/read-egress-sets.ts"
import { projectDir } from "../../rules/sources.ts"

const TODAY = "2026-11-25"
const RULE = {
  host: "api.example.com",
  methods: ["POST"],
  paths: ["/v1/items", "/v1/files/**"],
  why: "for this test",
}

function policy(...rules: Readonly<Record<string, unknown>>[]): EgressPolicy {
  const allow = rules.map((rule) => ({ ...RULE, ...rule }))
  const set = egressSet.parse({ name: "test", why: "for this test", owner: "testers", allow })
  const grants = expandEgressSet(set, { text: "", file: "policies/egress/test.toml" })
  return { kind: "rules", sets: ["test"], grants, denials: [] }
}

function request(change: Partial<EgressRequest> = {}): EgressRequest {
  return {
    ...{ scheme: "https", host: "api.example.com", port: 443, method: "POST", path: "/v1/items" },
    ...{ query: null, websocket: false },
    ...change,
  }
}

function decide(change: Partial<EgressRequest>, by: EgressPolicy) {
  return decideEgress(request(change), by, TODAY)
}

describe("decideEgress", () => {
  it("allows what a rule names, and says which", () => {
    const verdict = decide({}, policy({ host: "other.example.com" }, {}))
    expect(verdict).toMatchObject({ kind: "allow", rule: "egress/test#2", why: "for this test" })
  })

  it.each([
    ["another host", { host: "evil.example.com" }],
    ["a host that only ends like it", { host: "xapi.example.com" }],
    ["another port", { port: 8443 }],
    ["another method", { method: "GET" }],
    ["another path", { path: "/v1/items/" }],
    ["a longer path", { path: "/v1/items2" }],
    ["a shorter path than the star's stem", { path: "/v1/files" }],
    ["a path in capitals", { path: "/V1/items" }],
    ["plain HTTP to the TLS port", { scheme: "http" as const }],
  ])("refuses %s", (_what, change) => {
    expect(decide(change, policy({}))).toMatchObject({ kind: "refuse", rule: "egress/no-rule" })
  })

  it("lets two stars stand for any rest of a path", () => {
    expect(decide({ path: "/v1/files/a/b" }, policy({})).kind).toBe("allow")
  })

  it("lets *.example.com stand for exactly one label", () => {
    const wild = policy({ host: "*.example.com" })
    expect(decide({ host: "a.example.com" }, wild).kind).toBe("allow")
    expect(decide({ host: "example.com" }, wild).kind).toBe("refuse")
    expect(decide({ host: "a.b.example.com" }, wild).kind).toBe("refuse")
  })

  it("bounds path and query together by max_path_bytes", () => {
    const bounded = policy({ max_path_bytes: 12 })
    expect(decide({ query: "ab" }, bounded).kind).toBe("allow")
    expect(decide({ query: "abc" }, bounded).kind).toBe("refuse")
  })

  it("takes no query where a rule says so, not even an empty one", () => {
    const none = policy({ query: "none" })
    expect([decide({}, none).kind, decide({ query: "" }, none).kind]).toEqual(["allow", "refuse"])
  })

  it("opens a WebSocket only where a rule says so", () => {
    const get = { method: "GET", websocket: true }
    expect(decide(get, policy({ methods: ["GET"] })).kind).toBe("refuse")
    expect(decide(get, policy({ methods: ["GET"], websocket: true })).kind).toBe("allow")
  })

  it("refuses everything without sets, and with a broken one", async () => {
    expect(decide({}, policy()).kind).toBe("refuse")
    const broken = await readEgressSets(join(projectDir, "policies/egress"), ["anthropic", "no-such-set"])
    const call = { host: "api.anthropic.com", path: "/v1/messages" }
    expect(decide(call, broken)).toMatchObject({ kind: "refuse", rule: "egress/set-unknown" })
  })
})

describe("what has expired", () => {
  const rules = policy({ expires: "2026-11-24", owner: "payments-team" })

  it("counts through its last day, and from the next one on is refused by name, day and owner", () => {
    expect(decideEgress(request(), rules, "2026-11-24").kind).toBe("allow")
    const verdict = decideEgress(request(), rules, "2026-11-25")
    expect(verdict).toMatchObject({ kind: "refuse", rule: "egress/expired" })
    expect(verdict).toMatchObject({
      reason: expect.stringMatching(/egress\/test#1 .*2026-11-24.*payments-team/),
    })
    expect(verdict).toMatchObject({ hint: expect.stringContaining("policies/egress/test.toml") })
  })

  it("is told by a CONNECT, too", () => {
    expect(decideConnect("api.example.com", 443, rules, TODAY)).toMatchObject({ rule: "egress/expired" })
    expect(decideConnect("api.example.com", 22, rules, TODAY)).toMatchObject({ rule: "egress/connect-port" })
  })

  it("is not what refuses a request that it never allowed", () => {
    expect(decide({ method: "GET" }, rules)).toMatchObject({ rule: "egress/no-rule" })
  })

  it("does not stand in the way of a rule that counts", () => {
    expect(decide({}, policy({ expires: "2026-11-24" }, {}))).toMatchObject({ rule: "egress/test#2" })
  })
})

describe("decideConnect", () => {
  it("tells a refused port from a refused host", () => {
    expect(decideConnect("api.example.com", 443, policy({}), TODAY).kind).toBe("allow")
    expect(decideConnect("api.example.com", 22, policy({}), TODAY)).toMatchObject({
      rule: "egress/connect-port",
    })
    expect(decideConnect("evil.example.com", 443, policy({}), TODAY)).toMatchObject({
      rule: "egress/no-rule",
    })
  })
})

describe("readEgressSets", () => {
  const HEAD = 'name = "broken"\nwhy = "for this test"\nowner = "testers"\n'
  const WHY = 'why = "for this test"'

  it.each([
    ["not TOML", "this is ]not toml"],
    ["an unknown key", `${HEAD}alow = []`],
    [
      "a wildcard over a whole domain ending",
      `${HEAD}[[allow]]\nhost = "*.com"\nmethods = ["GET"]\npaths = ["/**"]\n${WHY}`,
    ],
    [
      "a rule without a reason",
      `${HEAD}[[allow]]\nhost = "a.example.com"\nmethods = ["GET"]\npaths = ["/**"]`,
    ],
    ["another name", 'name = "other"\nwhy = "for this test"\nowner = "testers"'],
  ])("closes the machine for a set with %s", async (_what, text) => {
    const dir = mkdtempSync(join(tmpdir(), "stereo-sets-"))
    writeFileSync(join(dir, "broken.toml"), text)
    expect(await readEgressSets(dir, ["broken"])).toMatchObject({ kind: "broken", rule: "egress/set-broken" })
    rmSync(dir, { recursive: true })
  })

  it("takes no path for a name", async () => {
    expect(await readEgressSets("/etc", ["../etc/passwd"])).toMatchObject({ rule: "egress/set-unknown" })
  })

  it("reads every set that the project ships", async () => {
    const dir = join(projectDir, "policies/egress")
    for (const file of readdirSync(dir)) {
      const read = await readEgressSets(dir, [file.replace(/\.toml$/, "")])
      expect(read.kind === "rules" ? read.grants.length : read.reason).toBeGreaterThan(0)
    }
  })
})
