/** What becomes of a machine whose start failed or was interrupted: nothing runs on, and its logs stay if they may help. */

import { rm, stat } from "node:fs/promises"
import { Fault, reasonOf } from "../contract/fault.ts"
import { type Home, machineLayout } from "../contract/home.ts"
import type { MachineRecord } from "../contract/machine-record.ts"
import type { HostClient } from "./host-client.ts"
import { killProcess } from "./process-ref.ts"
import { writeRecord } from "./record-store.ts"

export interface AbandonedLaunch {
  readonly home: Home
  readonly host: HostClient
  readonly record: MachineRecord
  /** The folder was made by this start. */
  readonly isNew: boolean
  /** The user stopped it: there is nothing to find out. */
  readonly interrupted: boolean
  /** What went wrong. */
  readonly thrown: unknown
}

export async function abandonLaunch(launch: AbandonedLaunch): Promise<void> {
  const { home, record } = launch
  if (record.qemu !== null) await killProcess(record.qemu)
  const undetached = await detach(launch)
  const { dir } = machineLayout(home, record.name)
  // a start that never got to QEMU has left nothing to look at
  if (launch.isNew && (launch.interrupted || record.qemu === null)) {
    await rm(dir, { recursive: true, force: true })
    return
  }
  // `rm -f` may have removed it meanwhile
  if ((await stat(dir).catch(() => null)) === null) return
  const failure = [firstLine(reasonOf(launch.thrown)), undetached].filter((part) => part !== null).join("; ")
  const state = launch.interrupted ? "stopped" : "failed"
  await writeRecord(home, { ...record, state, failure, owner: null, qemu: null })
}

/** Null, or why the host service still holds the machine's sockets; it drops them when it next sweeps. */
async function detach({ host, record }: AbandonedLaunch): Promise<string | null> {
  const deadline = AbortSignal.timeout(3000)
  return host.detach(record.name, deadline).then(
    () => null,
    (thrown: unknown) =>
      `${thrown instanceof Fault ? thrown.code : "detach"}: ${firstLine(reasonOf(thrown))}`,
  )
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? text
}
