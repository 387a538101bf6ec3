/** Removes a machine's folder, and with `force` ends what still runs in it. */

import { rm } from "node:fs/promises"
import { machineName } from "../contract/card.ts"
import { Fault } from "../contract/fault.ts"
import { type Home, machineLayout } from "../contract/home.ts"
import type { MachineRecord } from "../contract/machine-record.ts"
import { findSandboxes } from "./find-sandboxes.ts"
import type { HostClient } from "./host-client.ts"
import { isAlive, killProcess } from "./process-ref.ts"
import { readRecord } from "./record-store.ts"

export interface RemoveRequest {
  readonly home: Home
  readonly name: string
  /** Null when the host service is not there: then it holds nothing either. */
  readonly host: HostClient | null
  readonly force: boolean
}

/** The host ends the machine's record on disk first, which a busy disk delays. */
const DETACH_MS = 30_000

/** Faults: `machine/unknown` unless forced, `machine/still-running` unless forced. */
export async function removeMachine(request: RemoveRequest): Promise<void> {
  const { home, name, host, force } = request
  const record = await readRecord(home, name).catch((thrown: unknown) => {
    if (force && thrown instanceof Fault) return null
    throw thrown
  })
  // a name that is none must not become a path
  if (!machineName.safeParse(name).success) return
  if (record !== null && !force) refuseLiving(record)
  if (record?.qemu) await killProcess(record.qemu)
  const { dir, vm } = machineLayout(home, name)
  for (const process of await findSandboxes(vm)) await killProcess(process)
  await host?.detach(name, AbortSignal.timeout(DETACH_MS)).catch(ignoreUndetached)
  await rm(dir, { recursive: true, force: true })
}

function refuseLiving(record: MachineRecord): void {
  const lives = record.qemu !== null && isAlive(record.qemu)
  const starts = record.state === "starting" && record.owner !== null && isAlive(record.owner)
  if (!lives && !starts) return
  throw new Fault("machine/still-running", `${record.name} is ${record.state}`, {
    hint: `end it first with \`stereo down ${record.name}\`, or remove it as it is with \`stereo rm -f ${record.name}\``,
  })
}

/**
 * Whatever the host still held went with QEMU's end, or does when it next sweeps: neither a machine that it does not
 * know nor a host that has no time may keep the folder from going.
 */
function ignoreUndetached(thrown: unknown): void {
  const late = thrown instanceof DOMException && thrown.name === "TimeoutError"
  if (!late && !(thrown instanceof Fault)) throw thrown
}
