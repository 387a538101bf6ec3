/** Makes a machine's folder its own in one step, so that two starts of one name cannot both have it. */

import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
import { type Home, LONGEST_SOCKET_PATH_BYTES, type MachineHome, machineLayout } from "../contract/home.ts"
import { type MachineRecord, processRef } from "../contract/machine-record.ts"
import { isAlive } from "./process-ref.ts"
import { readRecord, writeRecord } from "./record-store.ts"

export interface Claim {
  readonly layout: MachineHome
  /** The folder was made now; a machine of that name that had ended is started again otherwise. */
  readonly isNew: boolean
  /** Lets others start a machine of that name again. */
  release(): Promise<void>
}

/** Faults: `machine/already-there`, `machine/path-too-long`. The record is written. */
export async function claimFolder(home: Home, record: MachineRecord): Promise<Claim> {
  const layout = machineLayout(home, record.name)
  checkPathLength(layout)
  const isNew = await placeNewFolder(home, layout, record)
  const lock = join(layout.dir, "starting.lock")
  if (isNew) return { layout, isNew, release: async () => undefined }
  await takeLock(lock, record)
  try {
    await refuseLiving(home, record.name)
    await rm(layout.console, { force: true })
    await writeRecord(home, record)
  } catch (thrown) {
    await rm(lock, { force: true })
    throw thrown
  }
  return { layout, isNew, release: () => rm(lock, { force: true }) }
}

function checkPathLength(layout: MachineHome): void {
  const longest = Buffer.byteLength(layout.controlSocket)
  if (longest <= LONGEST_SOCKET_PATH_BYTES) return
  throw new Fault(
    "machine/path-too-long",
    `the socket ${layout.controlSocket} has a path of ${longest} bytes, and Linux allows ${LONGEST_SOCKET_PATH_BYTES}`,
    { hint: "set STEREO_HOME to a shorter folder, or give the machine a shorter name" },
  )
}

/** The folder appears under its name complete with its record, or not at all. */
async function placeNewFolder(home: Home, layout: MachineHome, record: MachineRecord): Promise<boolean> {
  const unnamed = join(home.machines, `.new-${record.runId}`)
  try {
    await mkdir(join(unnamed, "vm"), { recursive: true, mode: 0o700 })
    await writeFile(join(unnamed, "machine.json"), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
    await rename(unnamed, layout.dir)
    return true
  } catch (thrown) {
    await rm(unnamed, { recursive: true, force: true })
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOTEMPTY") return false
    throw thrown
  }
}

/** The lock appears whole or not at all: half of one would look as if nobody held it. */
async function takeLock(lock: string, record: MachineRecord): Promise<void> {
  const own = `${lock}-${record.runId}`
  await writeFile(own, JSON.stringify(record.owner), { mode: 0o600 })
  try {
    while (!(await placeLock(own, lock))) {
      const held = await readLock(lock)
      const holder = processRef.safeParse(JSON.parse(held || "null"))
      if (holder.success && isAlive(holder.data)) throw alreadyThere(record.name, "is being started")
      if (held !== null) await rm(lock, { force: true })
    }
  } finally {
    await rm(own, { force: true })
  }
}

async function placeLock(own: string, lock: string): Promise<boolean> {
  try {
    await link(own, lock)
    return true
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST") return false
    throw thrown
  }
}

/** Null when whoever held it has let go meanwhile. */
async function readLock(lock: string): Promise<string | null> {
  try {
    return await readFile(lock, "utf8")
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}

async function refuseLiving(home: Home, name: string): Promise<void> {
  const { qemu, owner, state } = await readRecord(home, name)
  if (qemu !== null && isAlive(qemu)) throw alreadyThere(name, "is running")
  if (state === "starting" && owner !== null && isAlive(owner)) throw alreadyThere(name, "is being started")
}

function alreadyThere(name: string, what: string): Fault {
  return new Fault("machine/already-there", `a machine called "${name}" ${what}`, {
    hint: `choose another --name, or end it with \`stereo down ${name}\``,
  })
}
