/** The only place of the builder that starts processes. */

import { appendFile } from "node:fs/promises"
import { execa } from "execa"
import { Fault } from "../contract/fault.ts"
import { quoteCommand } from "./quote-command.ts"

export interface RunRequest {
  readonly command: readonly [program: string, ...args: string[]]
  /** The sandbox around it: a command that takes this one as its last arguments. */
  readonly within?: readonly string[]
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
/** A command ends with the build, however that ends. What it wrote goes with the stage's folder. */
const DIE_WITH_PARENT = ["--pdeathsig", "KILL"]

export interface Attempt {
  readonly succeeded: boolean
  readonly stdout: string
  /** All that it printed, in order. */
  readonly output: string
}

/** Runs a command to its end, however it ends; only an interruption is thrown. */
export async function attempt(request: RunRequest): Promise<Attempt> {
  const { failed, stdout, all = "" } = await start(request)
  request.signal.throwIfAborted()
  return { succeeded: !failed, stdout, output: all }
}

/** Runs a command to its end and gives its standard output; a failure shows the last lines it printed. */
export async function run(request: RunRequest): Promise<string> {
  const [program] = request.command
  const result = await start(request)
  if (!result.failed) return result.stdout
  request.signal.throwIfAborted()
  const missing = /failed to execute (\S+): No such file/.exec(result.all ?? "")?.[1]
  if (result.exitCode === 127 && missing) {
    throw new Fault("build/command-missing", `${request.purpose}: ${missing} is not installed`, {
      hint: "`stereo doctor` says which package has it",
      cause: result,
    })
  }
  const ending = result.signal ? `was ended by ${result.signal}` : `ended with code ${result.exitCode}`
  throw new Fault(
    "build/command-failed",
    `${request.purpose}: ${program} ${ending}\n${lastLines(result.all ?? "")}`,
    { hint: `${adviseOn(result.all ?? "")}the whole output is in ${request.logFile}`, cause: result },
  )
}

async function start(request: RunRequest) {
  const words = [...(request.within ?? []), ...request.command]
  const variables = Object.entries(request.env ?? {}).map(
    ([name, value]) => `${name}=${quoteCommand([value])} `,
  )
  const log = openCommandLog(request.logFile, `$ ${variables.join("")}${quoteCommand(words)}`)
  await log.begin()
  const child = execa("setpriv", [...DIE_WITH_PARENT, "--", ...words], {
    ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
    env: { ...request.env },
    all: true,
    stdin: "ignore",
    reject: false,
    // a process group of its own, which ends as a whole
    detached: true,
  })
  const end = () => killGroup(child.pid)
  request.signal.addEventListener("abort", end)
  if (request.signal.aborted) end()
  const result = await child
  request.signal.removeEventListener("abort", end)
  await log.end(result.all)
  return result
}

/** Who wrote last into each log. */
const lastWriters = new Map<string, object>()

/** The command stands there while it runs, and again above its output where another has written in between. */
function openCommandLog(logFile: string, title: string) {
  const self = {}
  const write = (text: string) => {
    lastWriters.set(logFile, self)
    return appendFile(logFile, text)
  }
  return {
    begin: () => write(`${title}\n`),
    end: (output: string) =>
      write(`${lastWriters.get(logFile) === self ? "" : `${title} (began above)\n`}${output}\n`),
  }
}

/**
 * What the command had started may hold its pipes open and would be waited for: bubblewrap's inner process, when the
 * outer one is killed before it has said that they die together.
 */
function killGroup(leader: number | undefined): void {
  if (leader === undefined) return
  try {
    process.kill(-leader, "SIGKILL")
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) throw thrown
  }
}

/** Runs a command with this process's own terminal or pipes; the answer is its exit code. It ends with this process. */
export async function runInteractive(
  request: Pick<RunRequest, "command" | "within" | "signal">,
): Promise<number> {
  const words = [...(request.within ?? []), ...request.command]
  const result = await execa("setpriv", [...DIE_WITH_PARENT, "--", ...words], {
    stdio: "inherit",
    reject: false,
    cancelSignal: request.signal,
  })
  request.signal.throwIfAborted()
  return result.exitCode ?? 1
}

/** What to do about the two failures that have nothing to do with the command. */
function adviseOn(output: string): string {
  if (/no space left on device/i.test(output))
    return "the disk is full: make room, or set STEREO_HOME to a larger one; "
  if (/unshare failed: Operation not permitted/.test(output))
    return "this user may not make namespaces: run as root; "
  return ""
}

function lastLines(text: string): string {
  const lines = text.trimEnd().split("\n")
  return lines
    .slice(-KEPT_LINES)
    .map((line) => `    ${line}`)
    .join("\n")
}
