/** `stereo rm`: removes machines with their disks and logs. */

import { type Command, Option } from "commander"
import type { CliContext } from "./context.ts"
import { addCloudOptions, type CloudOptions } from "./ec2/cloud-options.ts"
import { endOnEc2 } from "./ec2/machines-on-ec2.ts"
import { findHost } from "./ensure-host.ts"

export function addRmCommand(program: Command, context: CliContext): void {
  const command = program
    .command("rm")
    .description("remove machines with their disks and logs")
    .argument("<machine...>")
    .option("-f, --force", "end those that still run, without asking their guests; ignore unknown ones")
    .addOption(new Option("--on <where>", "end machines that run elsewhere").choices(["ec2"]))
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo rm -f demo\n  $ stereo rm --on ec2 --region eu-central-1 demo",
    )
    .action(async (machines: string[], options: CloudOptions & { force?: boolean; on?: "ec2" }) => {
      if (options.on === "ec2") return endOnEc2(context, machines, options)
      const { home, now } = context
      const { removeMachine } = await import("../machine/remove.ts")
      const { sweepMachines } = await import("../machine/sweep.ts")
      await sweepMachines(home, now())
      using host = await findHost(context)
      for (const name of machines) await removeMachine({ home, name, host, force: options.force === true })
    })
  addCloudOptions(command)
}
