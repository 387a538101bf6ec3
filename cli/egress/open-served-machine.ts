/** The host service with a running machine attached to it, as commands need it that change what may leave. */

import { Fault } from "../../contract/fault.ts"
import type { HostClient } from "../../machine/host-client.ts"
import type { CliContext } from "../context.ts"
import { ensureHost } from "../ensure-host.ts"

export interface ServedMachine extends Disposable {
  readonly host: HostClient
  /** Who says to stand behind this user; kept as a claim. */
  readonly claimedUser: string | null
}

/** Faults: `machine/unknown`, `machine/not-running`, and those of the host service. */
export async function openServedMachine(context: CliContext, name: string): Promise<ServedMachine> {
  const { readRecord } = await import("../../machine/record-store.ts")
  const { isAlive } = await import("../../machine/process-ref.ts")
  const record = await readRecord(context.home, name)
  if (record.qemu === null || !isAlive(record.qemu)) {
    throw new Fault("machine/not-running", `${name} does not run, so nothing leaves it`, {
      hint: `start it with \`stereo up --name ${name}\`; \`stereo ls\` shows them all`,
    })
  }
  const host = await ensureHost(context)
  try {
    await host.attach(name, context.signal)
  } catch (thrown) {
    host[Symbol.dispose]()
    throw thrown
  }
  const claimedUser = context.environment["SUDO_USER"]?.slice(0, 64) ?? null
  return { host, claimedUser, [Symbol.dispose]: () => host[Symbol.dispose]() }
}
