/** `stereo exec`: runs a command in a machine, with this process's own streams and the command's exit code. */

import { type Command, Option } from "commander"
import { Fault } from "../contract/fault.ts"
import type { MachineRecord } from "../contract/machine-record.ts"
import { isAlive } from "../machine/process-ref.ts"
import { openCommandStreams } from "./command-streams.ts"
import type { CliContext } from "./context.ts"
import { ensureHost } from "./ensure-host.ts"

interface ExecOptions {
  readonly user: "agent" | "root"
  readonly tty?: boolean
}

const READY_TIMEOUT_MS = 30_000

export function addExecCommand(program: Command, context: CliContext): void {
  program
    .command("exec")
    .description("run a command in a machine; without one, a login shell")
    .argument("<machine>")
    .argument("[command...]", "the command and its arguments, after --")
    .addOption(new Option("--user <name>", "who runs it").choices(["agent", "root"]).default("agent"))
    .option("-t, --tty", "give it a terminal (the default for a shell on a terminal)")
    .addHelpText(
      "after",
      [
        "\nThe exit code is the command's, 128 and the number of the signal that ended it, or 125 when stereo failed.",
        "\nExamples:",
        "  $ stereo exec demo -- ls -la /home/agent",
        "  $ tar -c src | stereo exec demo -- tar -x",
        "  $ stereo exec -t --user root demo -- bash",
      ].join("\n"),
    )
    .action((machine: string, command: string[], options: ExecOptions) =>
      exec(context, machine, command, options),
    )
}

async function exec(context: CliContext, machine: string, command: string[], options: ExecOptions) {
  const { home, signal, exitWith } = context
  // whatever goes wrong before the command's own code is known
  exitWith(125)
  const { readRecord } = await import("../machine/record-store.ts")
  const record = await readRecord(home, machine)
  refuseStopped(record)
  using host = await ensureHost(context)
  // the service may have been started just now
  await host.attach(record.name, signal)
  await host.awaitAgent(record.name, READY_TIMEOUT_MS, signal)
  const { executeCommand } = await import("../machine/execute.ts")
  const tty = options.tty ?? (command.length === 0 && process.stdin.isTTY === true)
  using streams = openCommandStreams(context, tty)
  exitWith(await executeCommand({ host, record, user: options.user, command, streams, signal }))
}

function refuseStopped(record: MachineRecord): void {
  if (record.state === "running" && record.qemu !== null && isAlive(record.qemu)) return
  const state = record.state === "running" ? "has ended" : `is ${record.state}`
  throw new Fault("machine/not-running", `${record.name} ${state}`, {
    hint: `start it with \`stereo up --name ${record.name}\`; \`stereo ls\` shows them all`,
  })
}
