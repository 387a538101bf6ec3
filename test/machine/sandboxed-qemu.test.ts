import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Home, homeLayout, machineLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { makeDataDisk } from "../../machine/disk/make-data-disk.ts"
import { BOOTED_EXIT_CODE, renderBootSector, renderProbeArgs } from "../../machine/probe/boot-sector.ts"
import { probeAccelerator } from "../../machine/probe/probe-accelerator.ts"
import { isAlive, killProcess } from "../../machine/process-ref.ts"
import { type QemuProcess, startQemu } from "../../machine/qemu/start-qemu.ts"
import { readRecord, writeRecord } from "../../machine/record-store.ts"
import { renderBubblewrapArgs, type Sandbox } from "../../machine/render-bubblewrap-args.ts"
import { runToEnd } from "../../machine/run.ts"
import { stopMachine } from "../../machine/stop.ts"
import { makeRecord } from "./host-stand-in.ts"
import { toolsDir } from "./tools-home.ts"

const never = new AbortController().signal

describe.skipIf(toolsDir === null)("QEMU in its sandbox", () => {
  let home: Home
  let started: QemuProcess[]

  beforeEach(() => {
    home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-qemu-")))
    started = []
    mkdirSync(machineLayout(home, "demo").vm, { recursive: true })
  })
  afterEach(async () => {
    for (const { process } of started) await killProcess(process)
    rmSync(home.root, { recursive: true })
  })

  function sandbox(args: readonly string[], changes: Partial<Sandbox> = {}) {
    return renderBubblewrapArgs({
      toolsDir: toolsDir ?? "",
      ...{ readOnly: {}, devices: [], dieWithParent: false, infoFd: 3 },
      writable: { "/m": machineLayout(home, "demo").vm },
      command: { file: "/usr/bin/qemu-system-x86_64", args },
      ...changes,
    })
  }

  /** A machine that stands still before its first instruction, with a machine's own seccomp filter. */
  async function startStill(): Promise<QemuProcess> {
    const args = [
      "-nodefaults",
      "-no-user-config",
      "-machine",
      "q35,accel=tcg",
      "-m",
      "64M",
      "-S",
      "-display",
      "none",
    ]
    const filter = ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    const qmp = ["-qmp", "unix:/m/qmp.sock,server=on,wait=off"]
    const qemu = await startQemu(sandbox([...args, ...qmp, ...filter]), machineLayout(home, "demo").log)
    started.push(qemu)
    const status = () => readFileSync(`/proc/${qemu.process.pid}/status`, "utf8")
    await expect.poll(status, { timeout: 30_000 }).toMatch(/^Seccomp:\t2$/m)
    await expect.poll(() => existsSync(machineLayout(home, "demo").qmpSocket), { timeout: 30_000 }).toBe(true)
    return qemu
  }

  it("has no capability, cannot gain one, and is held by a seccomp filter", async () => {
    const { process } = await startStill()
    const status = readFileSync(`/proc/${process.pid}/status`, "utf8")
    expect(status).toMatch(/^CapEff:\t0{16}$/m)
    expect(status).toMatch(/^CapBnd:\t0{16}$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^Seccomp:\t2$/m)
  })

  it("has a network of its own with nothing in it but loopback, and its own processes", async () => {
    const { process } = await startStill()
    for (const name of ["net", "pid", "mnt", "ipc", "uts", "user", "cgroup"]) {
      expect(readlinkSync(`/proc/${process.pid}/ns/${name}`)).not.toBe(readlinkSync(`/proc/self/ns/${name}`))
    }
    const interfaces = readFileSync(`/proc/${process.pid}/net/dev`, "utf8").split("\n").slice(2)
    expect(interfaces.map((line) => line.split(":")[0]?.trim()).filter(Boolean)).toEqual(["lo"])
  })

  it("sees the tools tree, its own folder, and no other file of the host", async () => {
    const { process } = await startStill()
    const mounts = readFileSync(`/proc/${process.pid}/mountinfo`, "utf8").trim().split("\n")
    const places = mounts.map((line) => line.split(" ")[4] ?? "")
    expect(places.filter((place) => !place.startsWith("/dev")).sort()).toEqual(["/", "/m", "/usr"])
    const writable = mounts.filter((line) => / rw[,\s]/.test(line.split(" - ")[0] ?? ""))
    expect(writable.map((line) => line.split(" ")[4]).filter((place) => !place?.startsWith("/dev"))).toEqual([
      "/m",
    ])
  })

  it("has no variable of the caller's environment", async () => {
    const { process } = await startStill()
    expect(readFileSync(`/proc/${process.pid}/environ`, "utf8")).not.toMatch(/STEREO|HOME=|KEY/)
  })

  it("ends with its whole namespace when it is killed, and that is told", async () => {
    const { process, ended } = await startStill()
    await killProcess(process)
    expect(await ended).toEqual({ code: 128 + 9, signal: null })
  })

  it("is ended by its own control socket when there is no guest to ask", async () => {
    const { process } = await startStill()
    const record = makeRecord({ qemu: process })
    await writeRecord(home, record)
    const report = await stopMachine({ home, record, host: null, timeoutMs: 1000, signal: never })
    expect(report.how).toBe("QEMU quit")
    expect(await readRecord(home, "demo")).toMatchObject({ state: "stopped", qemu: null })
  })

  it("is killed when it does not answer", async () => {
    const { process: qemu } = await startStill()
    process.kill(qemu.pid, "SIGSTOP")
    const record = makeRecord({ qemu })
    const report = await stopMachine({ home, record, host: null, timeoutMs: 1000, signal: never })
    expect(report.how).toBe("killed")
    expect(isAlive(qemu)).toBe(false)
  })

  it("ends at once, with bubblewrap's reason in the log, when something it should be shown is not there", async () => {
    const { log } = machineLayout(home, "demo")
    const starting = startQemu(sandbox([], { readOnly: { "/i": "/not/there" } }), log)
    // bubblewrap tells its child's id before it fails: whether that is still there to be seen is a race
    const outcome = await starting.then(
      ({ ended }) => ended,
      (thrown: unknown) => thrown,
    )
    if (outcome instanceof Error) {
      expect(outcome).toMatchObject({
        code: "machine/sandbox-failed",
        message: expect.stringContaining("code 1"),
      })
    } else expect(outcome).toEqual({ code: 1, signal: null })
    expect(readFileSync(log, "utf8")).toMatch(/^bwrap: .*\/not\/there/m)
  })

  it("boots the probe's guest from firmware to its exit device", async () => {
    writeFileSync(join(machineLayout(home, "demo").vm, "boot.img"), renderBootSector())
    const command = sandbox([], { infoFd: null, dieWithParent: true, command: renderProbeArgs("tcg") })
    expect(await runToEnd(command, 30_000)).toMatchObject({ code: BOOTED_EXIT_CODE, timedOut: false })
  })

  it("is not probed for KVM where there is no device, and the answer is kept for this host's boot", async () => {
    const request = {
      toolsDir: toolsDir ?? "",
      cacheFile: home.probe,
      progress: silentProgress,
      signal: never,
    }
    const answer = await probeAccelerator({ ...request, device: "/dev/not-there" })
    expect(answer).toMatchObject({ accelerator: "tcg", reason: "there is no /dev/not-there" })
    const kept = { ...answer, reason: "kept" }
    writeFileSync(home.probe, JSON.stringify(kept))
    expect(await probeAccelerator({ ...request, device: "/dev/not-there" })).toEqual(kept)
    writeFileSync(home.probe, JSON.stringify({ ...kept, bootId: "another boot" }))
    expect(await probeAccelerator({ ...request, device: "/dev/not-there" })).toEqual(answer)
  })

  it("finds KVM wanting when the device is none", async () => {
    const request = {
      toolsDir: toolsDir ?? "",
      cacheFile: home.probe,
      progress: silentProgress,
      signal: never,
    }
    const answer = await probeAccelerator({ ...request, device: "/dev/null" })
    expect(answer.accelerator === "kvm" ? "kvm" : answer.reason).toMatch(/^kvm$|^\/dev\/null opens, but /)
  })

  it("gets a data disk that belongs to the agent, takes little room, and is kept when it is there", async () => {
    const path = machineLayout(home, "demo").dataDisk
    const request = { toolsDir: toolsDir ?? "", path, sizeMib: 2048 }
    await makeDataDisk(request, never)
    const look = { file: "/usr/sbin/debugfs", args: ["-R", "stat <2>", "/m/data.img"] }
    const { output } = await runToEnd(sandbox([], { infoFd: null, command: look }), 30_000)
    expect(output).toMatch(/User:\s+1000\s+Group:\s+1000/)
    expect(statSync(path).blocks * 512).toBeLessThan(200 * 1024 * 1024)
    const before = readSuperblock(path)
    await makeDataDisk(request, never)
    expect(readSuperblock(path)).toBe(before)
  })

  it("gets its data disk in its folder, whatever link a hostile QEMU left there to a file of the host", async () => {
    const path = machineLayout(home, "demo").dataDisk
    const victim = join(home.root, "victim")
    writeFileSync(victim, "the host's own")
    symlinkSync(victim, `${path}.new`)
    await makeDataDisk({ toolsDir: toolsDir ?? "", path, sizeMib: 64 }, never)
    expect(readFileSync(victim, "utf8")).toBe("the host's own")
    expect(lstatSync(path).isFile()).toBe(true)
  })
})

function readSuperblock(path: string): string {
  const file = openSync(path, "r")
  const block = Buffer.alloc(1024)
  readSync(file, block, 0, 1024, 1024)
  closeSync(file)
  return block.toString("hex")
}
