/** `stereo logs`: a machine's serial console, or what QEMU itself printed. */

import type { Command } from "commander"
import { machineLayout } from "../contract/home.ts"
import type { CliContext } from "./context.ts"

interface LogsOptions {
  readonly follow?: boolean
  readonly qemu?: boolean
}

export function addLogsCommand(program: Command, context: CliContext): void {
  program
    .command("logs")
    .description("print a machine's serial console; control characters are taken out")
    .argument("<machine>")
    .option("-f, --follow", "go on as it grows, until the machine is removed or Ctrl-C")
    .option("--qemu", "what QEMU and its sandbox printed, with their command line")
    .addHelpText("after", "\nExample:\n  $ stereo logs demo -f")
    .action(async (machine: string, options: LogsOptions) => {
      const { followLog } = await import("../machine/follow-log.ts")
      const { readRecord } = await import("../machine/record-store.ts")
      const { name } = await readRecord(context.home, machine)
      const layout = machineLayout(context.home, name)
      const path = options.qemu ? layout.log : layout.console
      await followLog({ path, follow: options.follow === true, print: context.print, signal: context.signal })
    })
}
