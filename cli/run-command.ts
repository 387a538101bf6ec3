/** `stereo run`: one command in a machine of its own, which is gone afterwards. */

import { type Command, Option } from "commander"
import { openCommandStreams } from "./command-streams.ts"
import type { CliContext } from "./context.ts"
import { ensureHost, refuseLongHome } from "./ensure-host.ts"

interface RunOptions {
  readonly image?: string
  readonly name?: string
  readonly team?: string
  readonly project?: string
  readonly card?: string
  readonly user: "agent" | "root"
  readonly tty?: boolean
}

export function addRunCommand(program: Command, context: CliContext): void {
  program
    .command("run")
    .description("start a machine, run one command in it, and remove the machine")
    .argument("<command...>", "the command and its arguments, after --")
    .option("--image <name>", "the image (default: the card's, or base)")
    .option("--name <name>", "the machine's name (default: a new one)")
    .option("--team <name>", "who pays")
    .option("--project <name>", "for what")
    .option("--card <path>", "path of a jcard.toml")
    .addOption(new Option("--user <name>", "who runs it").choices(["agent", "root"]).default("agent"))
    .option("-t, --tty", "give it a terminal")
    .addHelpText(
      "after",
      [
        "\nOnly the command's output is on standard output; the exit code is the command's, or 125 when stereo failed.",
        "\nExample:\n  $ stereo run --image coder -- claude -p 'what is in this folder?'",
      ].join("\n"),
    )
    .action((command: string[], options: RunOptions) => run(context, command, options))
}

async function run(context: CliContext, command: readonly string[], options: RunOptions): Promise<void> {
  const { home, projectDir, progress, now, signal, exitWith } = context
  // whatever goes wrong before the command's own code is known
  exitWith(125)
  const { removeMachine } = await import("../machine/remove.ts")
  const { sweepMachines } = await import("../machine/sweep.ts")
  const { launchMachine } = await import("../machine/launch.ts")
  const { executeCommand } = await import("../machine/execute.ts")
  await sweepMachines(home, now())
  refuseLongHome(home)
  using stack = new DisposableStack()
  const { image, card, user, tty, ...asked } = options
  const { host, record } = await launchMachine({
    ...{ home, projectDir, asked, ephemeral: true, progress, now, signal },
    connect: async () => stack.use(await ensureHost(context)),
    ...(image === undefined ? {} : { image }),
    ...(card === undefined ? {} : { card }),
  })
  try {
    using streams = openCommandStreams(context, tty === true)
    exitWith(await executeCommand({ host, record, user, command, streams, signal }))
  } finally {
    await removeMachine({ home, name: record.name, host, force: true })
  }
}
