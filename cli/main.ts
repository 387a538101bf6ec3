/** The program `stereo`: reads arguments and environment, runs one command, prints a fault once. */

import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { Command, CommanderError } from "commander"
import { Fault } from "../contract/fault.ts"
import { homeLayout } from "../contract/home.ts"
import { addBuildCommand } from "./build-command.ts"
import { addCompletionCommand } from "./completion-command.ts"
import type { CliContext } from "./context.ts"
import { addCostCommand } from "./cost-command.ts"
import { addDoctorCommand } from "./doctor-command.ts"
import { addDownCommand } from "./down-command.ts"
import { addExecCommand } from "./exec-command.ts"
import { addHostCommand } from "./host-command.ts"
import { addImagesCommand } from "./images-command.ts"
import { addLogsCommand } from "./logs-command.ts"
import { addLsCommand } from "./ls-command.ts"
import { addPlanCommand } from "./plan-command.ts"
import { terminalProgress } from "./progress.ts"
import { reportFailure } from "./report-failure.ts"
import { addRmCommand } from "./rm-command.ts"
import { addRunCommand } from "./run-command.ts"
import { addSessionsCommand } from "./sessions-command.ts"
import { addSetupCommand } from "./setup-command.ts"
import { addUpCommand } from "./up-command.ts"

const context = readContext()
const program = new Command("stereo")
  .description("Locked-down Linux VM images for AI agents, and the gateway between each agent and the world")
  .version("0.1.0")
  .showHelpAfterError("(run with --help for usage and an example)")
  .exitOverride()

addSetupCommand(program, context)
addPlanCommand(program, context)
addBuildCommand(program, context)
addImagesCommand(program, context)
addUpCommand(program, context)
addLsCommand(program, context)
addExecCommand(program, context)
addLogsCommand(program, context)
addDownCommand(program, context)
addRmCommand(program, context)
addRunCommand(program, context)
addDoctorCommand(program, context)
addCompletionCommand(program, context)
addHostCommand(program, context)
addSessionsCommand(program, context)
addCostCommand(program, context)

await run(program)

async function run(command: Command): Promise<void> {
  try {
    await command.parseAsync()
  } catch (thrown) {
    if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : 64
    else {
      const code = reportFailure(context, thrown)
      // a command may have chosen a code of its own
      process.exitCode ||= code
    }
  }
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
