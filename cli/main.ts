/** The program `stereo`: reads arguments and environment, runs one command, prints a fault once. */

import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { type Command, CommanderError } from "commander"
import { Fault } from "../contract/fault.ts"
import { homeLayout } from "../contract/home.ts"
import type { CliContext } from "./context.ts"
import { makeProgram } from "./make-program.ts"
import { terminalProgress } from "./progress.ts"
import { reportFailure } from "./report-failure.ts"
import { reportUsage } from "./report-usage.ts"

const context = readContext()
const program = await makeProgram(context, process.argv.slice(2))

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
    progress: terminalProgress(process.stderr, environment, Date.now),
    signal: interrupted.signal,
    now: Date.now,
    print: (text) => process.stdout.write(text),
    exitWith: (code) => {
      process.exitCode = code
    },
  }
}
