/** `stereo down`: ends machines and keeps their disks and logs. */

import { type Command, InvalidArgumentError, Option } from "commander"
import { reasonOf } from "../contract/fault.ts"
import type { CliContext } from "./context.ts"
import { addCloudOptions, type CloudOptions } from "./ec2/cloud-options.ts"
import { endOnEc2 } from "./ec2/machines-on-ec2.ts"
import { ensureHost } from "./ensure-host.ts"

export function addDownCommand(program: Command, context: CliContext): void {
  const command = program
    .command("down")
    .description("power machines off; `stereo up --name NAME` starts one again with its disk")
    .argument("<machine...>")
    .option("--timeout <seconds>", "how long the guest may take before it is cut off", parseSeconds, 20)
    .addOption(
      new Option("--on <where>", "end machines that run elsewhere; nothing of them stays").choices(["ec2"]),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo down demo --timeout 5\n  $ stereo down --on ec2 --region eu-central-1 demo",
    )
    .action((machines: string[], options: CloudOptions & { timeout: number; on?: "ec2" }) =>
      options.on === "ec2" ? endOnEc2(context, machines, options) : down(context, machines, options.timeout),
    )
  addCloudOptions(command)
}

async function down(context: CliContext, machines: readonly string[], seconds: number): Promise<void> {
  const { home, now, progress, signal } = context
  const { readRecord } = await import("../machine/record-store.ts")
  const { stopMachine } = await import("../machine/stop.ts")
  const { sweepMachines } = await import("../machine/sweep.ts")
  await sweepMachines(home, now())
  const unasked: string[] = []
  // without the service no guest can be asked; it is ended all the same
  using host = await ensureHost(context).catch((thrown: unknown) => {
    if (signal.aborted) throw thrown
    unasked.push(reasonOf(thrown).split("\n")[0] ?? "")
    return null
  })
  for (const machine of machines) {
    const record = await readRecord(home, machine)
    const { how, remarks } = await progress.step(`Stop ${machine}`, () =>
      stopMachine({ home, record, host, timeoutMs: seconds * 1000, signal }),
    )
    context.print(`${machine}: ${[how, ...unasked, ...remarks].join("; ")}\n`)
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (Number.isFinite(seconds) && seconds >= 0 && seconds <= 3600) return seconds
  throw new InvalidArgumentError("Expected seconds between 0 and 3600.")
}
