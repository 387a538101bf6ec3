import { describe, expect, it } from "vitest"
import type { ArchivedCall, Evidence } from "../../attack/evidence.ts"
import { judge } from "../../attack/judge.ts"
import type { AttackCase, Vector } from "../../attack/vector.ts"

const vector: Vector = {
  id: "2-tcp-ssh",
  group: "G1",
  title: "TCP",
  from: ["agent", "root"],
  how: { kind: "tcp", host: "1.1.1.1", port: 22 },
  expected: "REF",
}
const quiet: Evidence = {
  report: { ms: 12, remark: "ECONNREFUSED" },
  frames: [],
  touches: [],
  questions: [],
  calls: [],
  gains: [],
  namespace: [],
  hostFact: null,
}
const refused: ArchivedCall = {
  method: "GET",
  authority: "m.evil.example",
  target: "/m",
  headers: "[]",
  status: 403,
  outcome: "refused",
  rule: "egress/no-rule",
  requestBytes: 0,
  explained: true,
  startedAtMs: 1,
}

function attack(changes: Partial<Vector> = {}, from: AttackCase["from"] = "agent"): AttackCase {
  return { vector: { ...vector, ...changes }, from, marker: "m" }
}

describe("a verdict", () => {
  it("is not moved by what the guest says: a success that no witness saw is held, silence is not tried", () => {
    expect(judge(attack(), { ...quiet, report: { ms: 1, remark: "CONNECTED" } }).kind).toBe("held")
    expect(judge(attack(), { ...quiet, report: null }).kind).toBe("untried")
  })

  it.each<[string, Partial<Evidence>]>([
    ["a canary", { touches: [{ protocol: "tcp", address: "1.1.1.1", port: 22, text: "" }] }],
    ["the DNS sink", { questions: [{ name: "m.evil.example", type: 1 }] }],
    ["QEMU's namespace", { namespace: ["tcp socket"] }],
    [
      "the archive, as a call that left",
      { calls: [{ ...refused, outcome: "complete", rule: "egress/x#1" }] },
    ],
    ["the inspector", { gains: ["process 1 holds a packet socket"] }],
    ["the wire, by the agent", { frames: ["TCP to 1.1.1.1:22"] }],
  ])("is `through` when something is seen at %s", (_where, seen) => {
    expect(judge(attack(), { ...quiet, ...seen }).kind).toBe("through")
  })

  it("lets root's frames be on the wire, and wants to see them where frames are the attack", () => {
    expect(judge(attack({}, "root"), { ...quiet, frames: ["TCP to 1.1.1.1:22"] }).kind).toBe("held")
    const frames = attack({ how: { kind: "frames", frames: [] } }, "root")
    expect(judge(frames, quiet).kind).toBe("untried")
    expect(judge(frames, { ...quiet, frames: ["ICMP to 1.1.1.1"] }).kind).toBe("held")
  })

  it("of a 403 wants the refusal in the archive, by the rule that was named, with its reason", () => {
    const expected = attack({ expected: "403", rules: ["egress/no-rule"] })
    expect(judge(expected, quiet).kind).toBe("untried")
    expect(judge(expected, { ...quiet, calls: [refused] })).toMatchObject({
      kind: "held",
      rules: ["egress/no-rule"],
    })
    expect(judge(expected, { ...quiet, calls: [{ ...refused, rule: "egress/bad-path" }] }).kind).toBe(
      "untried",
    )
    expect(judge(expected, { ...quiet, calls: [{ ...refused, explained: false }] }).kind).toBe("untried")
  })

  it("of what is allowed and bounded wants a row, and lets only the upstream be reached", () => {
    const allowed = attack({ expected: "BND" })
    const complete = { ...refused, outcome: "complete", rule: "egress/npm#1" }
    const upstream = { protocol: "upstream", address: "127.0.0.1", port: 8099, text: "m" } as const
    expect(judge(allowed, quiet).kind).toBe("untried")
    expect(judge(allowed, { ...quiet, calls: [complete], touches: [upstream] }).kind).toBe("held")
    expect(
      judge(allowed, { ...quiet, calls: [complete], touches: [{ ...upstream, protocol: "tcp" }] }).kind,
    ).toBe("through")
    const large = attack({ expected: "BND", maxBytes: 100 })
    expect(judge(large, { ...quiet, calls: [{ ...complete, requestBytes: 100 }] }).kind).toBe("held")
    expect(judge(large, { ...quiet, calls: [{ ...complete, requestBytes: 101 }] }).kind).toBe("through")
    expect(judge(attack({ expected: "BND", cut: true }), { ...quiet, calls: [complete] }).kind).toBe(
      "through",
    )
  })

  it("of an allowed name that resolves to a closed address lets its public address be reached, and no other", () => {
    const rebinding = attack({ expected: "403", reaches: true })
    const touch = { protocol: "tls", address: "93.184.216.34", port: 443, text: "m" } as const
    const seen = { ...quiet, calls: [refused], questions: [{ name: "m-mixed.rebind.example", type: 1 }] }
    expect(judge(rebinding, { ...seen, touches: [touch] }).kind).toBe("held")
    expect(judge(rebinding, { ...seen, touches: [{ ...touch, address: "127.0.0.1" }] }).kind).toBe("through")
  })

  it("of a fact of the host is the fact, and of what is not promised the reason", () => {
    const fact = attack({ how: { kind: "host", check: "qemu-confined" }, expected: "ABS" })
    expect(judge(fact, { ...quiet, report: null }).kind).toBe("held")
    expect(judge(fact, { ...quiet, hostFact: "no seccomp filter" })).toMatchObject({
      kind: "through",
      seen: "no seccomp filter",
    })
    expect(judge(attack({ expected: "NP", reason: "a reason" }), quiet)).toMatchObject({
      kind: "skipped",
      seen: "a reason",
    })
  })
})
