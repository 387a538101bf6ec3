import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { EgressRequest } from "../../contract/verdict.ts"
import type { AuditEntry } from "../../host-proxy/audit-entry.ts"
import { CallsInFlight } from "../../host-proxy/calls-in-flight.ts"
import { type MachineEgress, openMachineEgress } from "../../host-proxy/machine-egress.ts"
import { draftLiveRule } from "../../host-proxy/make-live-rule.ts"
import { eventually } from "./lab.ts"

const HOST = "files.example.com"
const REQUEST: EgressRequest = {
  scheme: "https",
  ...{ host: HOST, port: 443, method: "GET", path: "/data", query: null, websocket: false },
}
const SET = `name = "few"\nwhy = "a set for this test"\nowner = "the tests"\n`
const RULE = `[[allow]]\nhost = "${HOST}"\nmethods = ["GET"]\npaths = ["/**"]\nwhy = "for this test only"\n`

/** A machine's egress whose clock the test sets, and whose audit record the test can make fail. */
async function openEgress() {
  const dir = mkdtempSync(join(tmpdir(), "stereo-egress-"))
  const calls = new CallsInFlight()
  const entries: AuditEntry[] = []
  const state = { nowMs: Date.parse("2026-06-01T12:00:00Z"), full: false, onAudit: (): unknown => undefined }
  writeFileSync(join(dir, "few.toml"), SET)
  const egress = await openMachineEgress({
    ...{ setsDir: dir, sets: ["few"], liveRules: join(dir, "live-egress.json"), runId: "run", calls },
    now: () => state.nowMs,
    log: () => undefined,
    async audit(entry) {
      if (state.full) throw new Error("the disk is full")
      state.onAudit()
      entries.push(entry)
    },
  })
  return {
    ...{ egress, calls, entries, state },
    writeSet: (text: string) => writeFileSync(join(dir, "few.toml"), text),
    [Symbol.dispose]() {
      egress[Symbol.dispose]()
      rmSync(dir, { recursive: true })
    },
  }
}

function allowFor(egress: MachineEgress, nowMs: number, forSeconds: number) {
  const wish = {
    ...{ host: HOST, port: 443, methods: ["GET"], paths: ["/**"], websocket: false, forSeconds },
    ...{ why: "a rule for this test", owner: null, claimedUser: null },
  }
  const user = { uid: 1, user: "tester" }
  return egress.addRule(draftLiveRule({ kind: "allow", wish, user, now: () => nowMs, action: "allow" }))
}

describe("a rule whose time is over", () => {
  it("ends what is under way also when a request notices before the timer does", async () => {
    using machine = await openEgress()
    const { egress, calls, entries, state } = machine
    await allowFor(egress, state.nowMs, 3600)
    const cuts: string[] = []
    calls.add({ request: REQUEST, rule: "live/1", cut: (reason) => cuts.push(reason) })
    // the clock is past the rule's end, and the timer has not run yet
    state.nowMs += 3600 * 1000 + 1
    expect(egress.refuses({ request: REQUEST, rule: "live/1" })).toMatchObject({ rule: "egress/no-rule" })
    await eventually(() => (cuts.length > 0 ? true : null))
    expect(cuts[0]).toContain("egress/no-rule")
    await eventually(() => (entries.some(({ action }) => action === "expired") ? true : null))
  })
})

describe("sets that are read anew", () => {
  it("open nothing of which there is no record", async () => {
    using machine = await openEgress()
    const { egress, entries, state } = machine
    machine.writeSet(SET + RULE)
    state.full = true
    await expect(egress.reload(null)).rejects.toThrow("the disk is full")
    expect(egress.refuses({ request: REQUEST, rule: "egress/few#1" })).toMatchObject({
      rule: "egress/no-rule",
    })
    state.full = false
    // what the record tells of does not count before it is on the disk
    state.onAudit = () => expect(egress.refuses({ request: REQUEST, rule: "egress/few#1" })).not.toBe(null)
    await egress.reload("alice")
    expect(egress.refuses({ request: REQUEST, rule: "egress/few#1" })).toBe(null)
    expect(entries).toMatchObject([
      { action: "reload", claimed_user: "alice", detail: "read; 1 grants opened, 0 closed, 0 calls ended" },
    ])
  })

  it("close what they close although it cannot be recorded", async () => {
    using machine = await openEgress()
    const { egress, calls, state } = machine
    machine.writeSet(SET + RULE)
    await egress.reload(null)
    const cuts: string[] = []
    calls.add({ request: REQUEST, rule: "egress/few#1", cut: (reason) => cuts.push(reason) })
    machine.writeSet(SET + RULE.replace(HOST, "other.example.com"))
    state.full = true
    await expect(egress.reload(null)).rejects.toThrow("the disk is full")
    expect(cuts).toHaveLength(1)
    const other = { ...REQUEST, host: "other.example.com" }
    for (const request of [REQUEST, other]) {
      expect(egress.refuses({ request, rule: "egress/few#1" })).not.toBe(null)
    }
  })
})
