import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { describeBadPathPattern } from "../../contract/egress-path.ts"
import { matchesGrantedHost, matchesHost, matchesPath } from "../../contract/path-pattern.ts"

const RUNS = { numRuns: 3000, seed: 7 }
const segment = fc.stringMatching(/^(?:[A-Za-z0-9_~@.-]|%20|%7[bB]){1,8}$/)
const path = fc
  .array(fc.tuple(fc.constantFrom("/", "/", "%2f", "%2F"), segment), { maxLength: 5 })
  .map((parts) => `/${parts.map(([slash, text], at) => (at === 0 ? text : `${slash}${text}`)).join("")}`)
const patternPiece = fc.oneof(segment, fc.constantFrom("*", "a*", "*.tgz", "@*", "*-*"))
const pattern = fc
  .tuple(fc.array(fc.tuple(fc.constantFrom("/", "/", "%2f"), patternPiece), { maxLength: 4 }), fc.boolean())
  .map(([parts, open]) => {
    const fixed = parts.map(([slash, text], at) => (at === 0 ? text : `${slash}${text}`)).join("")
    return `/${fixed}${open ? `${fixed === "" ? "" : "/"}**` : ""}`
  })
  .filter((text) => describeBadPathPattern(text) === null)

/** A pattern, and a path that is like it: with anything, slashes too, in place of its stars. */
const likely = fc
  .tuple(pattern, fc.array(fc.oneof(segment, path, fc.constant("")), { minLength: 1, maxLength: 6 }))
  .map(([wanted, fillers]) => {
    let next = 0
    const found = wanted.replace(/\*+/g, () => fillers[next++ % fillers.length] ?? "")
    return { wanted, found }
  })

describe("a path pattern", () => {
  it.each([
    ["/v1/items", "/v1/items", true],
    ["/v1/items", "/v1/items/", false],
    ["/v1/items", "/V1/items", false],
    ["/v1/*", "/v1/items", true],
    ["/v1/*", "/v1/", true],
    ["/v1/*", "/v1", false],
    ["/v1/*", "/v1/a/b", false],
    ["/v1/*", "/v1/a%2fb", false],
    ["/*/x", "/a/x", true],
    ["/*/x", "/a/b/x", false],
    ["/@*/-/*.tgz", "/@acme/-/tool-1.0.0.tgz", true],
    ["/@*/-/*.tgz", "/@acme/-/tool-1.0.0.tgz/x", false],
    ["/@*%2f*", "/@acme%2ftool", true],
    ["/@*%2f*", "/@acme%2Ftool", true],
    ["/@*%2f*", "/@acme/tool", false],
    ["/@*%2f*", "/@acme%2ftool%2fmore", false],
    ["/@*", "/@acme%2ftool", false],
    ["/pkg/**", "/pkg/", true],
    ["/pkg/**", "/pkg/a/b/c", true],
    ["/pkg/**", "/pkg", false],
    ["/pkg/**", "/pkg/a%2fb", false],
    ["/pkg/**", "/pkg/a/b%2Fc/d", false],
    ["/**", "/", true],
    ["/**", "/a%2fb", false],
    ["/a*c*e", "/abcde", true],
    ["/a*c*e", "/ace", true],
    ["/a*aa", "/aa", false],
    ["/ab*ba", "/aba", false],
    ["/*b*b", "/ab", false],
    ["/*1", "/%41", false],
    ["/%2a", "/%2A", true],
    ["/a.c", "/abc", false],
    ["/a+", "/aa", false],
  ])("%s on %s: %s", (wanted, found, matches) => {
    expect(matchesPath(wanted, found)).toBe(matches)
  })

  it("matches itself when it has no star", () => {
    fc.assert(
      fc.property(path, (text) => {
        expect(matchesPath(text, text)).toBe(true)
      }),
      RUNS,
    )
  })

  it("has no star that reaches over a slash, and none that reaches over an encoded one", () => {
    let matched = 0
    fc.assert(
      fc.property(likely, ({ wanted, found }) => {
        if (!matchesPath(wanted, found)) return
        matched += 1
        const count = (text: string, what: RegExp) => text.match(what)?.length ?? 0
        expect(count(found, /%2f/gi)).toBe(count(wanted, /%2f/gi))
        if (wanted.endsWith("/**")) expect(count(found, /\//g)).toBeGreaterThanOrEqual(count(wanted, /\//g))
        else expect(count(found, /\//g)).toBe(count(wanted, /\//g))
      }),
      RUNS,
    )
    expect(matched).toBeGreaterThan(1000)
  })

  it("matches no path with an encoded slash where it spells none, whatever else it says", () => {
    fc.assert(
      fc.property(likely, fc.nat(), ({ wanted, found }, at) => {
        fc.pre(!/%2f/i.test(wanted))
        // an encoded slash at any place that does not break an escape
        const places = [...found.matchAll(/%..|./g)].map((one) => one.index)
        const place = places[at % places.length] ?? 0
        const spoilt = `${found.slice(0, place)}%2f${found.slice(place)}`
        expect(matchesPath(wanted, spoilt)).toBe(false)
      }),
      RUNS,
    )
  })

  it("takes no longer than the path is long, whatever a guest sends", () => {
    const wanted = `/${"a*".repeat(40)}b`
    const measure = (path: string) => {
      const startedMs = performance.now()
      expect(matchesPath(wanted, path)).toBe(false)
      return performance.now() - startedMs
    }
    // the same letters, with and without a reason to go back and try again
    const plainMs = Math.min(...Array.from({ length: 5 }, () => measure(`/${"b".repeat(16_000)}`)))
    const worstMs = Math.min(...Array.from({ length: 5 }, () => measure(`/${"a".repeat(16_000)}`)))
    expect(worstMs / Math.max(plainMs, 0.1)).toBeLessThan(500)
  })
})

describe("a host pattern", () => {
  const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?$/)
  const host = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => labels.join("."))

  it("without a star matches only itself", () => {
    fc.assert(
      fc.property(host, host, (wanted, found) => {
        expect(matchesHost(wanted, found)).toBe(wanted === found)
      }),
      RUNS,
    )
  })

  it("with a star matches exactly one label more", () => {
    const rest = host.map((name) => `${name}.example.com`)
    fc.assert(
      fc.property(rest, fc.array(label, { maxLength: 3 }), (name, before) => {
        const found = [...before, name].join(".")
        expect(matchesHost(`*.${name}`, found)).toBe(before.length === 1)
      }),
      RUNS,
    )
  })

  it("with a star matches no name under which others may have names", () => {
    expect(matchesHost("*.amazonaws.com", "s3.amazonaws.com")).toBe(false)
    expect(matchesHost("*.amazonaws.com", "ec2.amazonaws.com")).toBe(true)
  })
})

describe("matchesGrantedHost", () => {
  it("lets a star stand for any label but one in punycode, which a rule must spell", () => {
    expect(matchesGrantedHost("*.example.com", "a.example.com")).toBe(true)
    expect(matchesGrantedHost("*.example.com", "xn--e1afmkfd.example.com")).toBe(false)
    expect(matchesGrantedHost("xn--e1afmkfd.example.com", "xn--e1afmkfd.example.com")).toBe(true)
  })
})
