/** `stereo sessions`: what agents did, as it crossed the wire. */

import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import { formatUsd } from "../host-proxy/cost/format-usd.ts"
import type { SessionStep } from "../host-proxy/read-session-steps.ts"
import type { SessionSummary } from "../host-proxy/read-sessions.ts"
import type { CliContext } from "./context.ts"
import { openRecords, type Records } from "./open-records.ts"
import { printTable } from "./print-table.ts"
import { printableLine } from "./printable-line.ts"
import { describeSession, renderSession, renderSessionJson } from "./render-session.ts"

interface ShowOptions {
  readonly json?: boolean
  readonly bytes?: string
}

export function addSessionsCommand(program: Command, context: CliContext): void {
  const sessions = program
    .command("sessions")
    .description("list and show what agents did, as it crossed the wire")
    .addHelpText("after", "\nExamples:\n  $ stereo sessions\n  $ stereo sessions show 01k9")
  sessions
    .command("ls", { isDefault: true })
    .description("list the sessions, the latest last")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo sessions ls --json")
    .action((options: { json?: boolean }) => listSessions(context, options.json === true))
  sessions
    .command("show")
    .description("show one session: turns, tool calls, tokens, cost, refusals")
    .argument("<id>", "its id, the harness's own id, or the beginning of either")
    .option("--json", "print as JSON")
    .option(
      "--bytes <dir>",
      "also write every request and response body, as it crossed the wire, into a folder",
    )
    .addHelpText("after", "\nExample:\n  $ stereo sessions show 01k9 --bytes /tmp/session")
    .action((id: string, options: ShowOptions) => showSession(context, id, options))
}

async function listSessions(context: CliContext, json: boolean): Promise<void> {
  const { readSessions } = await import("../host-proxy/read-sessions.ts")
  await using records = await openRecords(context)
  const sessions = records ? await readSessions(records.reader, records.ledger) : []
  if (json) return context.print(jsonText(sessions.map(describeSession)))
  if (sessions.length === 0) return context.print("no sessions; `stereo run` and `stereo up` make some\n")
  const rows = sessions.map((one) => [
    printableLine(one.id, 80),
    one.machine,
    new Date(one.startedAtMs).toISOString().slice(0, 19).replace("T", " "),
    String(one.turns),
    String(one.refusals),
    printableLine(one.models.join(","), 40) || "-",
    costText(one),
  ])
  context.print(printTable(["SESSION", "MACHINE", "STARTED (UTC)", "TURNS", "REFUSED", "MODEL", "USD"], rows))
}

async function showSession(context: CliContext, id: string, options: ShowOptions): Promise<void> {
  const { findSession, readSessions } = await import("../host-proxy/read-sessions.ts")
  const { readSessionSteps } = await import("../host-proxy/read-session-steps.ts")
  await using records = await openRecords(context)
  if (!records) throw unknownSession(id, [])
  const sessions = await readSessions(records.reader, records.ledger)
  const found = findSession(sessions, id)
  if ("candidates" in found) throw unknownSession(id, found.candidates)
  const steps = await readSessionSteps(records.reader, records.ledger, found.id)
  const ids = new Set(steps.map((step) => step.exchange.id))
  const findings = (await records.reader.findings()).filter((one) =>
    one.exchange_id === null ? one.run_id === found.runId : ids.has(one.exchange_id),
  )
  const whole = { summary: found, steps, findings }
  const others = sessions.filter((one) => one.runId === found.runId && one.id !== found.id)
  context.print(options.json ? renderSessionJson(whole) : renderSession(whole) + renderOthers(others))
  if (options.bytes !== undefined) await writeBytes(context, records, steps, options.bytes)
}

/** What the same machine's run did besides: refusals of programs that name no session are there. */
function renderOthers(others: readonly SessionSummary[]): string {
  const lines = others.map(({ id, exchanges, refusals }) => {
    return `same run: ${exchanges} exchanges, ${refusals} refused: stereo sessions show ${printableLine(id, 100)}\n`
  })
  return lines.length > 0 ? `\n${lines.join("")}` : ""
}

/** `NNN-EXCHANGE.request` and `.response`, byte for byte. */
async function writeBytes(
  context: CliContext,
  records: Records,
  steps: readonly SessionStep[],
  dir: string,
): Promise<void> {
  await context.progress.step(`Writing ${steps.length * 2} bodies to ${dir}`, async () => {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const [index, { exchange }] of steps.entries()) {
      const name = join(dir, `${String(index + 1).padStart(3, "0")}-${exchange.id}`)
      await writeFile(`${name}.request`, await records.reader.body(exchange.request_sha256), { mode: 0o600 })
      await writeFile(`${name}.response`, await records.reader.body(exchange.response_sha256), {
        mode: 0o600,
      })
    }
  })
}

function unknownSession(id: string, candidates: readonly string[]): Fault {
  const shown = printableLine(id, 80)
  if (candidates.length === 0) {
    return new Fault("sessions/unknown", `no session's id begins with ${shown}`, {
      hint: "stereo sessions ls lists them",
    })
  }
  const list = candidates.slice(0, 8).join("\n  ")
  return new Fault("sessions/ambiguous", `${candidates.length} sessions begin with ${shown}:\n  ${list}`, {
    hint: "give more of the id",
  })
}

/** Unpriced calls are not in the sum, so it is marked. */
function costText(session: SessionSummary): string {
  if (session.turns === 0) return "-"
  if (session.unpriced === session.turns) return "unpriced"
  return `${formatUsd(session.costNanoUsd)}${session.unpriced > 0 ? ` + ${session.unpriced} unpriced` : ""}`
}
