import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Fault } from "../../contract/fault.ts"
import { type Home, homeLayout, machineLayout } from "../../contract/home.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import type { MachineRecord } from "../../contract/machine-record.ts"
import { claimFolder } from "../../machine/claim-folder.ts"
import type { HostClient } from "../../machine/host-client.ts"
import { readProcessRef } from "../../machine/process-ref.ts"
import { readRecord } from "../../machine/record-store.ts"
import { removeMachine } from "../../machine/remove.ts"
import { makeRecord } from "./host-stand-in.ts"

let home: Home
const self = readProcessRef(process.pid)

beforeEach(() => {
  home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-claim-")))
})
afterEach(() => rmSync(home.root, { recursive: true }))

function start(changes: Partial<MachineRecord> = {}): MachineRecord {
  return makeRecord({ state: "starting", owner: self, runId: newIdentifier(1), ...changes })
}

describe("a machine's folder", () => {
  it("goes to one of ten starts of the same name, and the others are told", async () => {
    const starts = Array.from({ length: 10 }, () => claimFolder(home, start()))
    const outcomes = await Promise.allSettled(starts)
    const refused = outcomes.filter((one) => one.status === "rejected")
    expect(refused.length).toBe(9)
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "machine/already-there" })
    expect(readdirSync(home.machines)).toEqual(["demo"])
  })

  it("is only for its owner's eyes, for the record holds keys", async () => {
    await claimFolder(home, start())
    const { dir, vm, record } = machineLayout(home, "demo")
    expect([dir, vm, record].map((path) => statSync(path).mode & 0o077)).toEqual([0, 0, 0])
  })

  it("is used again with its disk when the machine has ended", async () => {
    await claimFolder(home, start({ state: "stopped", owner: null }))
    writeFileSync(machineLayout(home, "demo").dataDisk, "mine")
    const again = start()
    const claim = await claimFolder(home, again)
    expect(claim.isNew).toBe(false)
    expect((await readRecord(home, "demo")).runId).toBe(again.runId)
    expect(existsSync(machineLayout(home, "demo").dataDisk)).toBe(true)
    await claim.release()
    expect(readdirSync(machineLayout(home, "demo").dir).sort()).toEqual(["machine.json", "vm"])
  })

  it("is not taken from a machine that runs", async () => {
    await claimFolder(home, start({ state: "running", owner: null, qemu: self }))
    await expect(claimFolder(home, start())).rejects.toMatchObject({ code: "machine/already-there" })
  })

  it("is refused, with what to do, when a socket's path would be longer than Linux allows", async () => {
    const deep = homeLayout(join(home.root, "x".repeat(80)))
    await expect(claimFolder(deep, start())).rejects.toMatchObject({
      code: "machine/path-too-long",
      hint: expect.stringContaining("STEREO_HOME"),
    })
  })

  it("is not removed under a running machine unless forced", async () => {
    await claimFolder(home, start({ state: "starting" }))
    const request = { home, name: "demo", host: null }
    await expect(removeMachine({ ...request, force: false })).rejects.toMatchObject({
      code: "machine/still-running",
    })
    await removeMachine({ ...request, force: true })
    expect(existsSync(machineLayout(home, "demo").dir)).toBe(false)
  })

  it.each([
    ["does not know the machine", new Fault("machine/not-attached", "no machine demo")],
    ["has no time to let go of it", new DOMException("aborted due to timeout", "TimeoutError")],
  ])("is removed though the host service %s", async (_what, thrown) => {
    await claimFolder(home, start({ state: "starting" }))
    // the one call that removing makes
    const host = { detach: () => Promise.reject(thrown) } as unknown as HostClient
    await removeMachine({ home, name: "demo", host, force: true })
    expect(existsSync(machineLayout(home, "demo").dir)).toBe(false)
  })

  it("is no way to remove something else, however the name is written", async () => {
    writeFileSync(join(home.root, "precious"), "")
    await removeMachine({ home, name: "../precious", host: null, force: true })
    expect(existsSync(join(home.root, "precious"))).toBe(true)
    await expect(readRecord(home, "../precious")).rejects.toMatchObject({ code: "machine/unknown" })
  })
})
