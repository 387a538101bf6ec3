/** The program `stereo`: reads arguments and environment, runs one command, prints a fault once. */

import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { Command, CommanderError } from "commander"
import { Fault } from "../contract/fault.ts"
import { homeLayout } from "../contract/home.ts"
import { addAttestCommand } from "./attest-command.ts"
import { addAuditCommand } from "./audit-command.ts"
import { addBuildCommand } from "./build-command.ts"
import { addCompletionCommand } from "./completion-command.ts"
import type { CliContext } from "./context.ts"
import { addCostCommand } from "./cost-command.ts"
import { addDoctorCommand } from "./doctor-command.ts"
import { addDownCommand } from "./down-command.ts"
import { addEgressCommands } from "./egress-command.ts"
import { addExecCommand } from "./exec-command.ts"
import { addHostCommand } from "./host-command.ts"
import { addImagesCommand } from "./images-command.ts"
import { addInitCommand } from "./init-command.ts"
import { addKeysCommand } from "./keys-command.ts"
import { addLockCommand } from "./lock-command.ts"
import { addLogsCommand } from "./logs-command.ts"
import { addLsCommand } from "./ls-command.ts"
import { addPackerCommand } from "./packer-command.ts"
import { addPlanCommand } from "./plan-command.ts"
import { terminalProgress } from "./progress.ts"
import { addPublishCommand } from "./publish-command.ts"
import { addPullCommand } from "./pull-command.ts"
import { addPushCommand } from "./push-command.ts"
import { reportFailure } from "./report-failure.ts"
import { reportUsage } from "./report-usage.ts"
import { addRmCommand } from "./rm-command.ts"
import { addRunCommand } from "./run-command.ts"
import { addSessionsCommand } from "./sessions-command.ts"
import { addSetupCommand } from "./setup-command.ts"
import { addUpCommand } from "./up-command.ts"

const HELP = `
Exit codes:
  0    done
  1    refused or failed; the first line on standard error is \`stereo: CODE: what was wrong\`
  2    \`egress diff\`: something opens; \`egress verify\`: a packet gets out that was not promised;
       \`lock --check\`: a lock is missing or differs; \`images verify\`: not as it was signed;
       \`images rebuild\`: a byte differs
  3    \`egress verify\`: not proven
  64   the command line was not understood
  125  \`exec\` and \`run\`: stereo failed; any other code is that of the command in the machine
  130  stopped by Ctrl-C, SIGTERM or SIGHUP

Environment:
  STEREO_HOME   where everything is kept (default: ~/.local/share/stereo)
  STEREO_DEBUG  any value: errors with their stack
  STEREO_DEBIAN_MIRROR, STEREO_DEBIAN_SECURITY_MIRROR, STEREO_DEBIAN_SNAPSHOT, STEREO_DEBIAN_KEYRING
                where Debian's packages come from, if not as for the host's apt (docs/reproducible-builds.md)
  NO_COLOR      any value: no colours

Example:
  $ stereo doctor
  $ stereo build coder
  $ stereo run --image coder -- claude -p 'what is in this folder?'`

const context = readContext()
const program = new Command("stereo")
  .description("Locked-down Linux VM images for AI agents, and the gateway between each agent and the world")
  .version("0.1.0")
  .configureOutput({ outputError: () => undefined }) // reported below, with the command's own hint
  .addHelpText("after", HELP)
  .exitOverride()

addSetupCommand(program, context)
addInitCommand(program, context)
addPlanCommand(program, context)
addLockCommand(program, context)
addBuildCommand(program, context)
addImagesCommand(program, context)
addKeysCommand(program, context)
addPushCommand(program, context)
addPublishCommand(program, context)
addPullCommand(program, context)
addUpCommand(program, context)
addAttestCommand(program, context)
addLsCommand(program, context)
addExecCommand(program, context)
addLogsCommand(program, context)
addDownCommand(program, context)
addRmCommand(program, context)
addRunCommand(program, context)
addDoctorCommand(program, context)
addPackerCommand(program, context)
addCompletionCommand(program, context)
addHostCommand(program, context)
addSessionsCommand(program, context)
addCostCommand(program, context)
addEgressCommands(program, context)
addAuditCommand(program, context)

await run(program)

async function run(command: Command): Promise<void> {
  try {
    await command.parseAsync()
  } catch (thrown) {
    if (thrown instanceof CommanderError) process.exitCode = endOfParsing(command, thrown)
    else {
      const code = reportFailure(context, thrown)
      // a command may have chosen a code of its own
      process.exitCode ||= code
    }
  }
}

/** Help that was asked for is a success; help in place of a missing subcommand is not. */
function endOfParsing(command: Command, thrown: CommanderError): number {
  if (thrown.exitCode === 0) return 0
  if (thrown.code === "commander.help") return 64
  return reportUsage(command, process.argv.slice(2), thrown.message)
}

function readContext(): CliContext {
  const interrupted = new AbortController()
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // the listener stays: ora and execa end the process at a signal that nobody else listens to
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(130)
      interrupted.abort(new Fault("cli/interrupted", `stopped by ${name}`))
    })
  }
  // a reader that has seen enough, such as head, ends this as SIGPIPE would
  process.stdout.on("error", (failure: NodeJS.ErrnoException) => {
    process.exit(failure.code === "EPIPE" ? process.exitCode || 141 : 1)
  })
  const environment = process.env
  return {
    home: homeLayout(resolve(environment["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo"))),
    projectDir: resolve(import.meta.dirname, ".."),
    environment,
    progress: terminalProgress(process.stderr, Date.now),
    signal: interrupted.signal,
    now: Date.now,
    print: (text) => process.stdout.write(text),
    exitWith: (code) => {
      process.exitCode = code
    },
  }
}
