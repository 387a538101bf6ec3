import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type EgressRule, type EgressSet, egressSet } from "../../../contract/egress-set.ts"
import type { EgressRequest } from "../../../contract/verdict.ts"
import { decideConnect, decideEgress, type MachinePolicy } from "../../../host-proxy/policy/decide-egress.ts"
import { readEgressSets } from "../../../host-proxy/policy/read-egress-sets.ts"
import { projectDir } from "../../rules/sources.ts"

const RULE: EgressRule = {
  host: "api.example.com",
  port: 443,
  methods: ["POST"],
  paths: ["/v1/items", "/v1/files/*"],
  why: "for this test",
}

function policy(...rules: Partial<EgressRule>[]): MachinePolicy {
  const allow = rules.map((rule) => ({ ...RULE, ...rule }))
  return { kind: "sets", sets: [{ name: "test", why: "for this test", allow } satisfies EgressSet] }
}

function request(change: Partial<EgressRequest> = {}): EgressRequest {
  return { scheme: "https", host: "api.example.com", port: 443, method: "POST", path: "/v1/items", ...change }
}

describe("decideEgress", () => {
  it("allows what a rule names, and says which", () => {
    const verdict = decideEgress(request(), policy({ host: "other.example.com" }, {}))
    expect(verdict).toEqual({ kind: "allow", rule: "egress/test#2", why: "for this test" })
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
    expect(decideEgress(request(change), policy({}))).toMatchObject({
      kind: "refuse",
      rule: "egress/no-rule",
    })
  })

  it("lets a star stand for any rest of a path", () => {
    expect(decideEgress(request({ path: "/v1/files/a/b" }), policy({})).kind).toBe("allow")
  })

  it("lets *.example.com stand for exactly one label", () => {
    const wild = policy({ host: "*.example.com" })
    expect(decideEgress(request({ host: "a.example.com" }), wild).kind).toBe("allow")
    expect(decideEgress(request({ host: "example.com" }), wild).kind).toBe("refuse")
    expect(decideEgress(request({ host: "a.b.example.com" }), wild).kind).toBe("refuse")
  })

  it("refuses everything without sets, and with a broken one", async () => {
    expect(decideEgress(request(), { kind: "sets", sets: [] }).kind).toBe("refuse")
    const broken = await readEgressSets(join(projectDir, "policies/egress"), ["anthropic", "no-such-set"])
    const call = request({ host: "api.anthropic.com", path: "/v1/messages" })
    expect(decideEgress(call, broken)).toMatchObject({ kind: "refuse", rule: "egress/set-unknown" })
  })
})

describe("decideConnect", () => {
  it("tells a refused port from a refused host", () => {
    expect(decideConnect("api.example.com", 443, policy({})).kind).toBe("allow")
    expect(decideConnect("api.example.com", 22, policy({}))).toMatchObject({ rule: "egress/connect-port" })
    expect(decideConnect("evil.example.com", 443, policy({}))).toMatchObject({ rule: "egress/no-rule" })
  })
})

describe("readEgressSets", () => {
  it.each([
    ["not TOML", "this is ]not toml"],
    ["an unknown key", 'name = "broken"\nwhy = "for this test"\nalow = []'],
    [
      "a wildcard over a whole domain ending",
      'name = "broken"\nwhy = "for this test"\n[[allow]]\nhost = "*.com"\nmethods = ["GET"]\npaths = ["/*"]\nwhy = "for this test"',
    ],
    [
      "a rule without a reason",
      'name = "broken"\nwhy = "for this test"\n[[allow]]\nhost = "a.example.com"\nmethods = ["GET"]\npaths = ["/*"]',
    ],
    ["another name", 'name = "other"\nwhy = "for this test"'],
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
    for (const name of ["anthropic", "openai"]) {
      const read = await readEgressSets(join(projectDir, "policies/egress"), [name])
      expect(read.kind === "sets" && egressSet.parse(read.sets[0]).allow.length > 0).toBe(true)
    }
  })
})
