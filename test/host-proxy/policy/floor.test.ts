import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { EgressGrant, EgressPolicy } from "../../../contract/egress-grant.ts"
import { describeBadHost } from "../../../contract/egress-host.ts"
import { egressSet } from "../../../contract/egress-set.ts"
import { decideEgress } from "../../../host-proxy/policy/decide-egress.ts"
import { normaliseRequest } from "../../../host-proxy/policy/normalise.ts"

/** Addresses and names that nothing may reach, in the spellings that clients and attackers use. */
const low = fc.oneof(
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.ipV4().map((address) => `[::ffff:${address}]`),
  fc.nat(0xff_ff_ff_ff).map(String),
  fc.nat(0xff_ff_ff_ff).map((number) => `0x${number.toString(16)}`),
  fc
    .tuple(
      fc.domain(),
      fc.constantFrom("localhost", "local", "internal", "home.arpa", "onion", "localdomain"),
    )
    .map(([name, suffix]) => `${name}.${suffix}`),
  fc.constantFrom(
    "localhost",
    "metadata.google.internal",
    "host.docker.internal",
    "127.0.0.1.",
    "localhost.",
  ),
)

function head(authority: string) {
  const claims = { exchange: null, process: null, sni: null, session: null }
  return { method: "GET", scheme: "https", authority, target: "/", headers: [], claims }
}

/** As wide as a grant can be, and wider than a set can make it: for exactly the host that is asked for. */
function grantFor(host: string): EgressGrant {
  return {
    ...{
      id: "live/1",
      source: { file: "live", line: 0 },
      scheme: "https",
      host,
      port: 443,
      methods: ["GET"],
    },
    ...{ paths: ["/**"], query: "any", bodyCheck: null, git: null, websocket: true },
    ...{ maxPathBytes: null, maxRequestBytes: null, budgetBytes: null },
    ...{ why: "as wide as can be", owner: "testers", expires: null },
  }
}

describe("the floor", () => {
  it("is reached by no request, even where a grant names it", () => {
    fc.assert(
      fc.property(low, fc.boolean(), (host, capitals) => {
        const authority = capitals ? host.toUpperCase() : host
        const result = normaliseRequest(head(authority))
        if ("refusal" in result) return
        const policy: EgressPolicy = { kind: "rules", sets: [], grants: [grantFor(host)], denials: [] }
        expect(decideEgress(result.request, policy, "2026-11-25").kind).toBe("refuse")
      }),
      { numRuns: 3000, seed: 7 },
    )
  })

  it("is named by no set that loads", () => {
    fc.assert(
      fc.property(low, fc.constantFrom("", "*."), (host, star) => {
        const allow = [{ host: `${star}${host}`, methods: ["GET"], paths: ["/**"], why: "for this test" }]
        const set = { name: "a", why: "for this test", owner: "testers", allow }
        expect(egressSet.safeParse(set).success).toBe(false)
      }),
      { numRuns: 3000, seed: 7 },
    )
  })

  it("is above every name that a set may hold: what loads is never read as an address", () => {
    fc.assert(
      fc.property(fc.oneof(fc.domain(), fc.webAuthority(), low, fc.string()), (host) => {
        if (describeBadHost(host) !== null || host.startsWith("*.")) return
        expect(normaliseRequest(head(host))).toMatchObject({ request: { host } })
      }),
      { numRuns: 3000, seed: 7 },
    )
  })
})
