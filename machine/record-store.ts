/** Reads and writes `machine.json`, atomically and readable by its owner only. */

import { randomBytes } from "node:crypto"
import { readdir, readFile, rename, writeFile } from "node:fs/promises"
import { machineName } from "../contract/card.ts"
import { Fault, reasonOf } from "../contract/fault.ts"
import { type Home, machineLayout } from "../contract/home.ts"
import { type MachineRecord, machineRecord } from "../contract/machine-record.ts"

export interface MachineFolder {
  readonly name: string
  /** Null when the folder holds no readable record. */
  readonly record: MachineRecord | null
}

/** Faults: `machine/unknown` when there is none of that name, `machine/bad-record` when it cannot be understood. */
export async function readRecord(home: Home, name: string): Promise<MachineRecord> {
  const checked = machineName.safeParse(name)
  if (!checked.success) throw unknownMachine(name)
  const text = await readRecordText(machineLayout(home, name).record, name)
  const parsed = machineRecord.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Fault(
    "machine/bad-record",
    `${machineLayout(home, name).record}: ${issue?.path.join(".") || "(document)"}: ${issue?.message ?? "not understood"}`,
    { hint: `the machine cannot be used any more; remove it with \`stereo rm -f ${name}\`` },
  )
}

export async function writeRecord(home: Home, record: MachineRecord): Promise<void> {
  const path = machineLayout(home, record.name).record
  const temporary = `${path}.${randomBytes(6).toString("hex")}`
  await writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600, flag: "wx" })
  await rename(temporary, path)
}

/** Every machine's folder in alphabetical order; folders that are still being made are left out. */
export async function listMachines(home: Home): Promise<readonly MachineFolder[]> {
  const entries = await readFolder(home.machines)
  const names = entries.filter((name) => machineName.safeParse(name).success).sort()
  return Promise.all(
    names.map(async (name) => ({ name, record: await readRecord(home, name).catch(broken) })),
  )
}

function broken(thrown: unknown): null {
  if (thrown instanceof Fault) return null
  throw thrown
}

async function readRecordText(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, "utf8")
  } catch (thrown) {
    throw unknownMachine(name, thrown)
  }
}

async function readFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (thrown) {
    if (/ENOENT/.test(reasonOf(thrown))) return []
    throw thrown
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    return `unreadable: ${reasonOf(thrown)}`
  }
}

function unknownMachine(name: string, cause?: unknown): Fault {
  return new Fault("machine/unknown", `there is no machine called "${name}"`, {
    hint: "`stereo ls` shows the machines; `stereo up --name NAME` starts one",
    cause,
  })
}
