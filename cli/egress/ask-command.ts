/** `stereo egress ask`: holds what no rule speaks of until a person, or a program, answers. */

import { createInterface } from "node:readline"
import type { Duplex } from "node:stream"
import { type Command, InvalidArgumentError } from "commander"
import { Fault } from "../../contract/fault.ts"
import { type AskAnswer, type AskEvent, MAX_ASK_TIMEOUT_MS } from "../../contract/host-egress-api.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { CliContext } from "../context.ts"
import { parseDuration } from "../parse-duration.ts"
import { answerOnTerminal } from "./answer-on-terminal.ts"
import { openServedMachine } from "./open-served-machine.ts"

interface AskOptions {
  readonly timeout: number
  readonly json?: boolean
}

const HELP = `
While it runs, a request that no rule allows and none forbids waits for an answer: a (allow it once), h (allow its
host for an hour), d (refuse it), D (deny its host until the run ends), q (leave). Without an answer in time it is
refused; when this command ends, all that wait are. Every answer stands in the audit record.

With --json it prints a line of JSON for each event and takes a line for each answer, such as
  {"id": 1, "answer": "once"}                                  once, refuse
  {"id": 2, "answer": "allow", "why": "…", "forSeconds": 900}  allow, deny; null: until the run ends
and ends with its standard input.

Examples:
  $ stereo egress ask demo
  $ stereo egress ask demo --timeout 5m`

export function addAskCommand(egress: Command, context: CliContext): void {
  egress
    .command("ask")
    .description("hold what no rule speaks of until a person answers here")
    .argument("<machine>")
    .option("--timeout <time>", "how long a request waits for its answer, at most 10m", parseTimeout, 60)
    .option("--json", "events and answers as lines of JSON on the standard streams")
    .addHelpText("after", HELP)
    .action((machine: string, options: AskOptions) => ask(context, machine, options))
}

/** Seconds. */
function parseTimeout(text: string): number {
  const seconds = parseDuration(text)
  if (seconds * 1000 <= MAX_ASK_TIMEOUT_MS) return seconds
  throw new InvalidArgumentError(`expected at most ${MAX_ASK_TIMEOUT_MS / 60_000}m.`)
}

async function ask(context: CliContext, name: string, options: AskOptions): Promise<void> {
  const { stdin, stdout } = process
  if (!options.json && stdin.isTTY !== true) {
    throw new Fault("ask/no-terminal", "standard input is no terminal, so nobody can answer there", {
      hint: "use --json to answer by a program",
    })
  }
  using machine = await openServedMachine(context, name)
  const query = { timeoutMs: options.timeout * 1000, claimedUser: machine.claimedUser }
  const stream = await machine.host.openAsk(name, query, context.signal)
  const stop = () => stream.destroy()
  context.signal.addEventListener("abort", stop, { once: true })
  try {
    if (options.json) await relayLines(stream, context)
    else {
      const send = (answer: AskAnswer) => void stream.write(`${JSON.stringify(answer)}\n`)
      await answerOnTerminal(readEvents(stream), { input: stdin, output: stdout, send })
    }
  } finally {
    context.signal.removeEventListener("abort", stop)
    stream.destroy()
    stdin.pause()
    stdin.unref()
  }
  context.signal.throwIfAborted()
}

async function* readEvents(stream: Duplex): AsyncGenerator<AskEvent> {
  // its end, whichever way it came, is the end of what is asked
  stream.on("error", () => stream.destroy())
  const { askEvent } = await import("../../contract/host-egress-api.ts")
  for await (const line of createInterface({ input: stream })) yield askEvent.parse(JSON.parse(line))
}

/** Lines both ways, until either side ends. */
async function relayLines(stream: Duplex, context: CliContext): Promise<void> {
  process.stdin.pipe(stream)
  for await (const event of readEvents(stream)) context.print(jsonText(event, 0))
}
