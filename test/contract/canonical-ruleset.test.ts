import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalRuleset } from "../../contract/canonical-ruleset.ts"

const rule = (expr: unknown, more = {}) => ({
  rule: { family: "inet", table: "t", chain: "c", handle: 7, expr, ...more },
})
const list = (...items: unknown[]) => ({ nftables: items })
const match = (left: unknown, right: unknown) =>
  rule([{ match: { op: "==", left, right } }, { accept: null }])

describe("the canonical ruleset", () => {
  it.each([
    ["nft's version", list({ metainfo: { version: "1.1.3" } }), list()],
    [
      "handles",
      list({ table: { family: "inet", name: "t", handle: 3 } }),
      list({ table: { name: "t", family: "inet", handle: 9 } }),
    ],
    [
      "counts of a rule",
      list(rule([{ counter: { packets: 9, bytes: 100 } }])),
      list(rule([{ counter: { packets: 0, bytes: 0 } }])),
    ],
    [
      "counts of a counter",
      list({ counter: { name: "n", packets: 9, bytes: 100 } }),
      list({ counter: { name: "n", packets: 1, bytes: 3 } }),
    ],
    [
      "what is used of a quota",
      list(rule([{ quota: { val: 5, val_unit: "mbytes", used: 9 } }])),
      list(rule([{ quota: { val: 5, val_unit: "mbytes", used: 0 } }])),
    ],
    [
      "the order of a set's elements",
      list(match({ payload: { protocol: "tcp", field: "dport" } }, { set: [80, 443] })),
      list(match({ payload: { protocol: "tcp", field: "dport" } }, { set: [443, 80] })),
    ],
    [
      "the order of a named set's elements",
      list({ set: { name: "s", elem: ["10.0.0.1", "10.0.0.2"] } }),
      list({ set: { name: "s", elem: ["10.0.0.2", "10.0.0.1"] } }),
    ],
    [
      "a protocol's name or number",
      list(match({ meta: { key: "l4proto" } }, { set: ["tcp", 17] })),
      list(match({ meta: { key: "l4proto" } }, { set: [6, "udp"] })),
    ],
    [
      "the time an element has left",
      list({ set: { name: "s", elem: [{ elem: { val: 1, timeout: 60, expires: 3 } }] } }),
      list({ set: { name: "s", elem: [{ elem: { val: 1, timeout: 60, expires: 59 } }] } }),
    ],
  ])("does not depend on %s", (_what, one, other) => {
    expect(canonicalRuleset(one)).toBe(canonicalRuleset(other))
  })

  it.each([
    [
      "the order of rules",
      list(rule([{ accept: null }]), rule([{ drop: null }])),
      list(rule([{ drop: null }]), rule([{ accept: null }])),
    ],
    [
      "the order of statements",
      list(rule([{ accept: null }, { counter: "n" }])),
      list(rule([{ counter: "n" }, { accept: null }])),
    ],
    [
      "a user's id",
      list(match({ meta: { key: "skuid" } }, 990)),
      list(match({ meta: { key: "skuid" } }, 991)),
    ],
    [
      "a port that is as large as a protocol",
      list(match({ payload: { protocol: "tcp", field: "dport" } }, 6)),
      list(match({ payload: { protocol: "tcp", field: "dport" } }, "tcp")),
    ],
    [
      "the order of a concatenation",
      list(match({ concat: [1, 2] }, { concat: [1, 2] })),
      list(match({ concat: [1, 2] }, { concat: [2, 1] })),
    ],
    [
      "one element too many",
      list(match({ meta: { key: "skuid" } }, { set: [990] })),
      list(match({ meta: { key: "skuid" } }, { set: [990, 0] })),
    ],
    ["a second table", list(), list({ table: { family: "ip", name: "t" } })],
    [
      "a table that is switched off",
      list({ table: { family: "ip", name: "t" } }),
      list({ table: { family: "ip", name: "t", flags: "dormant" } }),
    ],
    [
      "a flowtable",
      list(),
      list({ flowtable: { family: "inet", name: "f", table: "t", hook: "ingress", prio: 0, dev: "eth0" } }),
    ],
    [
      "a timeout",
      list({ set: { name: "s", elem: [{ elem: { val: 1, timeout: 60 } }] } }),
      list({ set: { name: "s", elem: [{ elem: { val: 1, timeout: 61 } }] } }),
    ],
    ["a comment", list(rule([])), list(rule([], { comment: "why" }))],
  ])("depends on %s", (_what, one, other) => {
    expect(canonicalRuleset(one)).not.toBe(canonicalRuleset(other))
  })

  it("is itself a listing, and its own canonical form", () => {
    const listing = list(
      { metainfo: {} },
      { table: { name: "t", handle: 1 } },
      match({ meta: { key: "l4proto" } }, 6),
    )
    const text = canonicalRuleset(listing)
    expect(canonicalRuleset(JSON.parse(text))).toBe(text)
    expect(canonicalRuleset(list())).toBe('{"nftables": []}\n')
  })

  it("refuses what is no listing, however deep it is, and nothing but that", () => {
    const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)
    for (const odd of [
      null,
      7,
      {},
      { nftables: 1 },
      list(1),
      list({}),
      list({ a: 1 }),
      list({ a: {}, b: {} }),
      list(rule(deep)),
      // of two such numbers, as of a raw payload, JSON.parse makes one
      JSON.parse('{"nftables": [{"rule": {"expr": [{"match": {"right": 81985529216486895}}]}}]}'),
    ]) {
      expect(() => canonicalRuleset(odd)).toThrow(expect.objectContaining({ code: "ruleset/not-a-listing" }))
    }
    fc.assert(
      fc.property(fc.array(fc.record({ rule: fc.dictionary(fc.string(), fc.jsonValue()) })), (items) => {
        fc.pre(!/\d{16}|e\+/.test(JSON.stringify(items)))
        const text = canonicalRuleset({ nftables: items })
        expect(canonicalRuleset(JSON.parse(text))).toBe(text)
      }),
    )
  })

  it("loses no key but those it names, whatever an object is called", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.integer()), (body) => {
        const [line] = JSON.parse(canonicalRuleset(list({ table: body }))).nftables
        const { handle: _handle, ...rest } = body
        expect(line).toEqual({ table: rest })
      }),
    )
  })
})
