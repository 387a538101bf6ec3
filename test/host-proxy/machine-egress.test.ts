import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { AuditEntry } from "../../host-proxy/audit-entry.ts"
import { CallsInFlight } from "../../host-proxy/calls-in-flight.ts"
import { type MachineEgress, openMachineEgress } from "../../host-proxy/machine-egress.ts"
import { draftLiveRule } from "../../host-proxy/make-live-rule.ts"
import { eventually } from "./lab.ts"

const HOST = "files.example.com"
const REQUEST = {
  ...{ scheme: "https", host: HOST, port: 443, method: "GET", path: "/data", query: null, websocket: false },
} as const
const SET = `name = "few"\nwhy = "a set for this test"\nowner = "the tests"\n`
const RULE = `[[allow]]\nhost = "${HOST}"\nmethods = ["GET"]\npaths = ["/**"]\nwhy = "for this test only"\n`

/** A machine's egress whose clock the test sets, and whose audit record the test can make fail. */
async function openEgress() {
  const dir = mkdtempSync(join(tmpdir(), "stereo-egress-"))
  const calls = new CallsInFlight()
  const entries: AuditEntry[] = []
  const state = { nowMs: Date.parse("2026-06-01T12:00:00Z"), full: false, onAudit: () => {} }
  writeFileSync(join(dir, "few.toml"), SET)
  const egress = await openMachineEgress({
    ...{ setsDir: dir, sets: ["few"], liveRules: join(dir, "live-egress.json"), runId: "run", calls },
    now: () => state.nowMs,
    log: () => {},
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
