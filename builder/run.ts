/** The only place of the builder that starts processes. */

import { appendFile } from "node:fs/promises"
import { execa } from "execa"
import { Fault } from "../contract/fault.ts"

export interface RunRequest {
  readonly command: readonly [program: string, ...args: string[]]
  /** What the command is for, as the subject of an error: "the root file system". */
  readonly purpose: string
  readonly cwd?: string
  /** Variables in addition to PATH, which is inherited. */
  readonly env?: Readonly<Record<string, string>>
  /** Each command is added here, in a form that can be pasted, with its output. */
  readonly logFile: string
  readonly signal: AbortSignal
}

const KEPT_LINES = 15

/** Runs a command to its end and gives its standard output; a failure shows the last lines it printed. */
export async function run(request: RunRequest): Promise<string> {
  const [program, ...args] = request.command
  await appendFile(request.logFile, `$ ${quoteCommand(request.command)}\n`)
  const result = await execa(program, args, {
    ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
    env: { ...request.env },
    all: true,
    stdin: "ignore",
    reject: false,
    cancelSignal: request.signal,
    forceKillAfterDelay: 2000,
  })
  await appendFile(request.logFile, `${result.all}\n`)
  if (!result.failed) return result.stdout
  request.signal.throwIfAborted()
  const missing = result.code === "ENOENT"
  throw new Fault(
    missing ? "build/command-missing" : "build/command-failed",
    `${request.purpose}: ${missing ? `${program} is not installed` : `${program} failed (${result.shortMessage})`}\n${lastLines(result.all)}`,
    {
      hint: missing ? `apt-get install ${program}` : `the whole output is in ${request.logFile}`,
      cause: result,
    },
  )
}

function lastLines(text: string): string {
  const lines = text.trimEnd().split("\n")
  return lines
    .slice(-KEPT_LINES)
    .map((line) => `    ${line}`)
    .join("\n")
}

/** A command line that a shell reads back as the same words. */
export function quoteCommand(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ")
}
