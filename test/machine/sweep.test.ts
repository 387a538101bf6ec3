import { type ChildProcess, spawn } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Home, homeLayout, machineLayout } from "../../contract/home.ts"
import type { MachineRecord, ProcessRef } from "../../contract/machine-record.ts"
import { isAlive, readProcessRef } from "../../machine/process-ref.ts"
import { readRecord, writeRecord } from "../../machine/record-store.ts"
import { sweepMachines } from "../../machine/sweep.ts"
import { makeRecord } from "./host-stand-in.ts"

let home: Home
let children: ChildProcess[]

beforeEach(() => {
  home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-sweep-")))
  children = []
})
afterEach(() => {
  for (const child of children) child.kill("SIGKILL")
  rmSync(home.root, { recursive: true })
})

describe("the sweep", () => {
  it("leaves a machine alone whose QEMU lives", async () => {
    const qemu = startProcess()
    await place({ state: "running", qemu })
    expect(await sweepMachines(home, 0)).toEqual({ ended: [], removed: [] })
    expect(isAlive(qemu)).toBe(true)
    expect((await readRecord(home, "demo")).state).toBe("running")
  })

  it("says of a machine whose QEMU was killed with SIGKILL that it ended", async () => {
    const qemu = startProcess()
    await place({ state: "running", qemu })
    await kill(qemu)
    expect(await sweepMachines(home, 0)).toEqual({ ended: ["demo"], removed: [] })
    expect(await readRecord(home, "demo")).toMatchObject({ state: "failed", qemu: null })
  })

  it("kills the QEMU of a start whose command was killed, and keeps its logs", async () => {
    const [owner, qemu] = [startProcess(), startProcess()]
    await place({ state: "starting", owner, qemu })
    await kill(owner)
    expect(await sweepMachines(home, 0)).toEqual({ ended: ["demo"], removed: [] })
    expect(isAlive(qemu)).toBe(false)
    expect(await readRecord(home, "demo")).toMatchObject({ state: "failed", owner: null })
  })

  it("removes an ephemeral machine whose command was killed, with its QEMU", async () => {
    const [owner, qemu] = [startProcess(), startProcess()]
    await place({ state: "running", owner, qemu, ephemeral: true })
    await kill(owner)
    expect(await sweepMachines(home, 0)).toEqual({ ended: [], removed: ["demo"] })
    expect(isAlive(qemu)).toBe(false)
    expect(existsSync(machineLayout(home, "demo").dir)).toBe(false)
  })

  it("leaves a machine to its living command, even when QEMU has ended", async () => {
    const [owner, qemu] = [startProcess(), startProcess()]
    await place({ state: "running", owner, qemu, ephemeral: true })
    await kill(qemu)
    expect(await sweepMachines(home, 0)).toEqual({ ended: [], removed: [] })
  })

  it("kills no process that merely has the number of a QEMU that is gone", async () => {
    const other = startProcess()
    await place({
      state: "starting",
      owner: { pid: 1, startTicks: "9" },
      qemu: { ...other, startTicks: "1" },
    })
    await sweepMachines(home, 0)
    expect(isAlive(other)).toBe(true)
  })

  it("finds the sandbox of a start that was killed before it could note the process", async () => {
    await place({ state: "starting", owner: { pid: 1, startTicks: "9" } })
    const { vm } = machineLayout(home, "demo")
    const args = ["--unshare-all", "--as-pid-1", "--ro-bind", "/", "/", "--bind", vm, "/mnt", "sleep", "60"]
    const bubblewrap = start("bwrap", args)
    await delay(500)
    await sweepMachines(home, 0)
    expect(isAlive(bubblewrap)).toBe(false)
  })

  it("does not stumble over a record that cannot be read", async () => {
    mkdirSync(join(home.machines, "broken"), { recursive: true })
    writeFileSync(join(home.machines, "broken", "machine.json"), "{")
    expect(await sweepMachines(home, 0)).toEqual({ ended: [], removed: [] })
  })

  it("removes a folder that a killed start left unnamed, once it is a minute old", async () => {
    const unnamed = join(home.machines, ".new-x")
    mkdirSync(unnamed, { recursive: true })
    const madeMs = statSync(unnamed).mtimeMs
    await sweepMachines(home, madeMs + 1000)
    expect(existsSync(unnamed)).toBe(true)
    await sweepMachines(home, madeMs + 61_000)
    expect(existsSync(unnamed)).toBe(false)
  })

  it("shortens a console that a guest has written full, and never through a link", async () => {
    await place({ state: "running", qemu: startProcess() })
    const { console: log } = machineLayout(home, "demo")
    writeFileSync(log, "first line\n")
    truncateSync(log, 20 * 1024 * 1024)
    await sweepMachines(home, 0)
    expect(statSync(log).size).toBeLessThan(1.1 * 1024 * 1024)
    const victim = join(home.root, "victim")
    writeFileSync(victim, "")
    truncateSync(victim, 20 * 1024 * 1024)
    rmSync(log)
    symlinkSync(victim, log)
    await sweepMachines(home, 0)
    expect(statSync(victim).size).toBe(20 * 1024 * 1024)
  })
})

async function place(changes: Partial<MachineRecord>): Promise<void> {
  mkdirSync(machineLayout(home, "demo").vm, { recursive: true })
  await writeRecord(home, makeRecord(changes))
}

function startProcess(): ProcessRef {
  return start("sleep", ["60"])
}

function start(file: string, args: readonly string[]): ProcessRef {
  const child = spawn(file, [...args], { stdio: "ignore" })
  children.push(child)
  const ref = readProcessRef(child.pid ?? 0)
  if (ref === null) throw new Error(`${file} did not start`)
  return ref
}

async function kill(ref: ProcessRef): Promise<void> {
  process.kill(ref.pid, "SIGKILL")
  while (isAlive(ref)) await delay(10)
}
