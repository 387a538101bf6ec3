/** Ends a machine: asks the guest, then QEMU, then kills it; the record says what became of it. */

import { setTimeout as delay } from "node:timers/promises"
import { reasonOf } from "../contract/fault.ts"
import { type Home, machineLayout } from "../contract/home.ts"
import type { MachineRecord, ProcessRef } from "../contract/machine-record.ts"
import type { HostClient } from "./host-client.ts"
import { isAlive, killProcess } from "./process-ref.ts"
import { runQmpCommand } from "./qmp.ts"
import { writeRecord } from "./record-store.ts"

export interface StopRequest {
  readonly home: Home
  readonly record: MachineRecord
  /** Null when the host service is not there: then the guest cannot be asked. */
  readonly host: HostClient | null
  /** How long the guest may take; 0 does not ask it. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface StopReport {
  readonly how: "was not running" | "guest powered off" | "QEMU quit" | "killed"
  /** What did not work on the way, in words. */
  readonly remarks: readonly string[]
}

const QUIT_MS = 2000
const ASK_MS = 5000

/** An interruption cuts the waiting short; the machine is ended all the same. */
export async function stopMachine(request: StopRequest): Promise<StopReport> {
  const { home, record } = request
  const remarks: string[] = []
  const how = record.qemu === null ? "was not running" : await endQemu(request, record.qemu, remarks)
  await attempt(remarks, async () => request.host?.detach(record.name, AbortSignal.timeout(3000)))
  const failure = record.state === "failed" ? record.failure : null
  const state = record.state === "failed" ? "failed" : "stopped"
  await writeRecord(home, { ...record, state, failure, owner: null, qemu: null, ephemeral: false })
  return { how, remarks }
}

async function endQemu(
  request: StopRequest,
  qemu: ProcessRef,
  remarks: string[],
): Promise<StopReport["how"]> {
  if (!isAlive(qemu)) return "was not running"
  const { host, record, timeoutMs, signal } = request
  if (host !== null && timeoutMs > 0) {
    const asked = await attempt(remarks, () => askGuest(host, record.name))
    if (asked && (await waitForEnd(qemu, timeoutMs, signal))) return "guest powered off"
    if (asked) remarks.push(`the guest had not powered off after ${timeoutMs / 1000} s`)
  }
  const { qmpSocket } = machineLayout(request.home, record.name)
  const quit = await attempt(remarks, () => runQmpCommand(qmpSocket, "quit", QUIT_MS))
  if (quit && (await waitForEnd(qemu, QUIT_MS, signal))) return "QEMU quit"
  await killProcess(qemu)
  return "killed"
}

async function askGuest(host: HostClient, name: string): Promise<void> {
  const deadline = AbortSignal.timeout(ASK_MS + 1000)
  // the service may have been started just now
  await host.attach(name, deadline)
  await host.awaitAgent(name, ASK_MS, deadline)
  await host.shutdown(name, deadline)
}

async function attempt(remarks: string[], work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (thrown) {
    remarks.push(reasonOf(thrown))
    return false
  }
}

async function waitForEnd(qemu: ProcessRef, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const stepMs = 25
  for (let waitedMs = 0; waitedMs < timeoutMs && !signal.aborted && isAlive(qemu); waitedMs += stepMs) {
    await delay(stepMs)
  }
  return !isAlive(qemu)
}
