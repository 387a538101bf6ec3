/** Makes the records agree with the processes that really live: called by `ls`, `rm`, `up` and the host service. */

import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { type Home, machineLayout } from "../contract/home.ts"
import type { MachineRecord } from "../contract/machine-record.ts"
import { findSandboxes } from "./find-sandboxes.ts"
import { isAlive, killProcess } from "./process-ref.ts"
import { listMachines, writeRecord } from "./record-store.ts"
import { shortenConsole } from "./shorten-console.ts"

export interface SweepReport {
  /** Machines whose record said they lived, and that now says they do not: the host service lets go of them. */
  readonly ended: readonly string[]
  /** Machines whose folder was removed. */
  readonly removed: readonly string[]
}

type Finding = "fine" | "owner-gone" | "qemu-gone"

/** A folder still unnamed after this time was left by a start that was killed. */
const UNNAMED_MS = 60_000

export async function sweepMachines(home: Home, nowMs: number): Promise<SweepReport> {
  const ended: string[] = []
  const removed: string[] = []
  for (const { name, record } of await listMachines(home)) {
    if (record === null) continue
    const finding = examine(record)
    if (finding === "fine") {
      await shortenConsole(machineLayout(home, name).console)
      continue
    }
    const gone = await settle(home, record, finding)
    ;(gone ? removed : ended).push(name)
  }
  await removeUnnamed(home, nowMs)
  return { ended, removed }
}

function examine(record: MachineRecord): Finding {
  if (record.state !== "starting" && record.state !== "running") return "fine"
  if (record.owner !== null && !isAlive(record.owner)) return "owner-gone"
  // a living owner looks after its machine itself
  if (record.owner !== null) return "fine"
  return record.qemu !== null && isAlive(record.qemu) ? "fine" : "qemu-gone"
}

/** True when the folder was removed. */
async function settle(home: Home, record: MachineRecord, finding: Finding): Promise<boolean> {
  const layout = machineLayout(home, record.name)
  if (record.qemu !== null) await killProcess(record.qemu)
  // killed between starting QEMU and noting its id
  else for (const process of await findSandboxes(layout.vm)) await killProcess(process)
  if (record.ephemeral) {
    await rm(layout.dir, { recursive: true, force: true })
    return true
  }
  const failure =
    finding === "owner-gone"
      ? "the command that started it ended before it was ready"
      : "QEMU ended without being asked to: it was killed, it crashed, or the guest powered off"
  await writeRecord(home, { ...record, state: "failed", failure, owner: null, qemu: null })
  return false
}

async function removeUnnamed(home: Home, nowMs: number): Promise<void> {
  const names = await readdir(home.machines).catch((thrown: unknown) => {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return []
    throw thrown
  })
  for (const name of names.filter((one) => one.startsWith(".new-"))) {
    const path = join(home.machines, name)
    const found = await stat(path).catch(() => null)
    if (found !== null && nowMs - found.mtimeMs > UNNAMED_MS) await rm(path, { recursive: true, force: true })
  }
}
