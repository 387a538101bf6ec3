import fc from "fast-check"
import { parse } from "smol-toml"
import { describe, expect, it } from "vitest"
import { matchesPath } from "../../contract/path-pattern.ts"
import { readEgressPolicy } from "../../contract/read-egress-policy.ts"
import { draftEgressSet } from "../../host-proxy/draft-egress-set.ts"
import { generalisePaths } from "../../host-proxy/generalise-paths.ts"
import type { DeniedHost, DeniedRequest } from "../../host-proxy/read-denied.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "../fuzz/run-property.ts"

const OPTIONS = {
  ...{ name: "fixtures", why: "the agent reads the fixtures", owner: "data-team", machine: "lab" },
  runId: "01kb0000000000000000000000",
}
const EXCHANGE = "01kb1111111111111111111111"

function requestOf(method: string, path: string, more: Partial<DeniedRequest> = {}): DeniedRequest {
  return { method, path, hasQuery: false, count: 1, exchange: EXCHANGE, ...more }
}

function deniedOf(requests: readonly DeniedRequest[], more: Partial<DeniedHost> = {}): DeniedHost {
  return {
    ...{ host: "files.example.com", port: 443, schemes: ["https"], count: 3, moreRequests: 0 },
    ...{ firstAtMs: 1_764_000_000_000, lastAtMs: 1_764_000_060_000, rules: ["egress/no-rule"] },
    ...{ processes: ["812 /usr/bin/curl"], requests },
    ...more,
  }
}

function grantsOf(text: string) {
  const policy = readEgressPolicy([{ name: "fixtures", text }])
  if (policy.kind === "broken") throw new Error(policy.reason)
  return policy.grants
}

describe("a drafted set", () => {
  it("opens what was asked for and nothing else, and shows its evidence", () => {
    const requests = [requestOf("GET", "/data", { hasQuery: true }), requestOf("GET", "/v1/list")]
    const text = draftEgressSet([deniedOf(requests)], OPTIONS)
    expect(grantsOf(text)).toMatchObject([
      {
        ...{ host: "files.example.com", port: 443, methods: ["GET"], paths: ["/data", "/v1/list"] },
        ...{ query: "any", why: OPTIONS.why, owner: "data-team" },
      },
    ])
    for (const part of [
      "refused 3 times, 2025-11-24T16:00:00",
      EXCHANGE,
      "812 /usr/bin/curl",
      OPTIONS.runId,
    ]) {
      expect(text).toContain(part)
    }
  })

  it("keeps what sends data out apart, and marks it for review", () => {
    const requests = [requestOf("GET", "/a"), requestOf("POST", "/b"), requestOf("DELETE", "/c")]
    const text = draftEgressSet([deniedOf(requests)], OPTIONS)
    expect(grantsOf(text).map(({ methods, paths }) => [methods, paths])).toEqual([
      [["GET"], ["/a"]],
      [["POST"], ["/b"]],
      [["DELETE"], ["/c"]],
    ])
    expect(text.match(/# REVIEW[^\n]+\n\[\[allow\]\]/g)).toHaveLength(2)
  })

  it.each([
    ["what was only asked for by CONNECT", deniedOf([requestOf("CONNECT", "")]), "only CONNECT"],
    ["what is no host", deniedOf([requestOf("GET", "/")], { host: "[::1]", port: null }), "no host name"],
    ["a host that no set may name", deniedOf([requestOf("GET", "/")], { host: "localhost" }), "host"],
    [
      "plain HTTP on another port",
      deniedOf([requestOf("GET", "/")], { port: 8080, schemes: ["http"] }),
      "http",
    ],
    ["a method that no rule has", deniedOf([requestOf("PROPFIND", "/")]), "methods"],
  ])("says of %s why it is not drafted, as a comment", (_case, host, reason) => {
    const text = draftEgressSet([host], OPTIONS)
    expect(grantsOf(text)).toEqual([])
    expect(text).toMatch(new RegExp(`^# not drafted: .*${reason}`, "m"))
  })

  it("takes no star of a guest for a wildcard", () => {
    const text = draftEgressSet([deniedOf([requestOf("GET", "/a/*"), requestOf("GET", "/**")])], OPTIONS)
    expect(grantsOf(text).flatMap((grant) => grant.paths)).toEqual([])
    expect(text).toContain("# no pattern stands for the path /**")
  })

  it.each([
    [{ name: "No Name" }, "name"],
    [{ why: "short" }, "why"],
    [{ owner: "x" }, "owner"],
  ])("is not made with %o", (wrong, key) => {
    expect(() => draftEgressSet([deniedOf([requestOf("GET", "/")])], { ...OPTIONS, ...wrong })).toThrow(key)
  })

  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom(
      '"]\n[[allow]]\nhost = "evil.example"',
      "\u001b[2J",
      "a\r\nwhy = 1",
      "'''",
      "\u202e",
      "\\u0000",
    ),
    fc.constantFrom("files.example.com", "/a/b", "GET", "/1", "/2"),
  )
  const request = fc.record({
    method: fc.oneof(fc.constantFrom("GET", "POST", "CONNECT"), hostile),
    path: fc.oneof(
      hostile,
      hostile.map((text) => `/${text}`),
    ),
    hasQuery: fc.boolean(),
    count: fc.nat(),
    exchange: hostile,
  })
  const denied = fc.record({
    host: fc.oneof(fc.constant("files.example.com"), hostile),
    port: fc.constantFrom(443, 80, 8443, null),
    schemes: fc.array(fc.oneof(fc.constantFrom("http", "https"), hostile), { maxLength: 2 }),
    count: fc.nat(),
    firstAtMs: fc.nat({ max: 4_000_000_000_000 }),
    lastAtMs: fc.nat({ max: 4_000_000_000_000 }),
    rules: fc.array(hostile, { maxLength: 2 }),
    processes: fc.array(hostile, { maxLength: 2 }),
    requests: fc.array(request, { maxLength: 6 }),
    moreRequests: fc.nat(),
  })

  it(
    "loads whatever a guest wrote, is printable, and opens no host, method or path that was not asked for",
    { timeout: FUZZ_TIMEOUT_MS },
    () =>
      runProperty(
        fc.property(fc.array(denied, { maxLength: 5 }), (hosts) => {
          const text = draftEgressSet(hosts, OPTIONS)
          expect(text).toMatch(/^[\x20-\x7e\n]*$/)
          expect(Object.keys(parse(text))).toEqual(expect.arrayContaining(["name", "why", "owner"]))
          for (const grant of grantsOf(text)) {
            const asked = hosts.filter((one) => one.host === grant.host && one.port === grant.port)
            const requests = asked.flatMap((one) => one.requests)
            expect(grant.host.includes("*")).toBe(false)
            for (const method of grant.methods) {
              const paths = requests.filter((one) => one.method === method).map((one) => one.path)
              for (const pattern of grant.paths) {
                expect(paths.some((path) => matchesPath(pattern, path))).toBe(true)
              }
            }
          }
        }),
      ),
  )
})

describe("paths that were seen", () => {
  it.each([
    ["one", ["/users/42/posts"], ["/users/42/posts"]],
    ["several that differ in a number", ["/users/42/posts", "/users/43/posts"], ["/users/*/posts"]],
    ["the same number in another place", ["/a/1", "/b/1"], ["/a/1", "/b/1"]],
    ["names", ["/pkg/left-pad", "/pkg/right-pad"], ["/pkg/left-pad", "/pkg/right-pad"]],
    ["digests", [`/blob/${"a".repeat(64)}`, `/blob/${"b".repeat(64)}`], ["/blob/*"]],
    ["two numbers of which one is the same", ["/v/1/2", "/v/1/3"], ["/v/1/*"]],
    ["lengths that differ", ["/1", "/1/2"], ["/1", "/1/2"]],
  ])("of %s become no wider than they are", (_case, paths, patterns) => {
    expect(generalisePaths(paths)).toEqual(patterns)
  })
})
