/** Brings a machine to where the battery is to find it: as it is, started again, or with its host service or rules renewed. */

import { setTimeout as delay } from "node:timers/promises"
import type { CliContext } from "../context.ts"
import { ensureHost } from "../ensure-host.ts"
import { stopHost } from "../host-command.ts"
import { startMachine } from "../up-command.ts"
import { openServedMachine } from "./open-served-machine.ts"

/** In the order in which `all` runs them; each begins with a machine that was started for it. */
export const PHASES = ["fresh", "reboot", "host-restart", "policy-reload"] as const
export type Phase = (typeof PHASES)[number]

export interface PhaseMachine {
  readonly name: string
  /** The card that the machine was started with; without it one that is started again keeps no sets of a card. */
  readonly card: string | undefined
}

const POWER_OFF_MS = 20_000
const SETTLE_MS = 1500

export async function reachPhase(context: CliContext, machine: PhaseMachine, phase: Phase): Promise<void> {
  switch (phase) {
    case "fresh":
      return
    case "reboot":
      return reboot(context, machine)
    case "host-restart":
      await reboot(context, machine)
      await context.progress.step("Host service, stopped and started again", async () => {
        await stopHost(context)
        using _host = await ensureHost(context)
      })
      // the guest's connection was cut: its proxy has to find the new service
      return void (await delay(SETTLE_MS))
    case "policy-reload": {
      await reboot(context, machine)
      using served = await openServedMachine(context, machine.name)
      await context.progress.step("Egress sets, read anew", () =>
        served.host.reload(machine.name, served.claimedUser, context.signal),
      )
      return
    }
    default:
      return phase satisfies never
  }
}

/** Root's part of the phase before has left a machine whose wire the host keeps closed. */
async function reboot(context: CliContext, { name, card }: PhaseMachine): Promise<void> {
  const { home, signal, progress } = context
  const { readRecord } = await import("../../machine/record-store.ts")
  const { stopMachine } = await import("../../machine/stop.ts")
  const record = await readRecord(home, name)
  await progress.step(`Stop ${name}`, async () => {
    using host = await ensureHost(context)
    await stopMachine({ home, record, host, timeoutMs: POWER_OFF_MS, signal })
  })
  await startMachine(context, card, { name })
}
