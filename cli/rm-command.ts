/** `stereo rm`: removes machines with their disks and logs. */

import type { Command } from "commander"
import type { CliContext } from "./context.ts"
import { findHost } from "./ensure-host.ts"

export function addRmCommand(program: Command, context: CliContext): void {
  program
    .command("rm")
    .description("remove machines with their disks and logs")
    .argument("<machine...>")
    .option("-f, --force", "end those that still run, without asking their guests; ignore unknown ones")
    .addHelpText("after", "\nExample:\n  $ stereo rm -f demo")
    .action(async (machines: string[], options: { force?: boolean }) => {
      const { home, now } = context
      const { removeMachine } = await import("../machine/remove.ts")
      const { sweepMachines } = await import("../machine/sweep.ts")
      await sweepMachines(home, now())
      using host = await findHost(context)
      for (const name of machines) await removeMachine({ home, name, host, force: options.force === true })
    })
}
