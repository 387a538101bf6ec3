/** `stereo audit`: who changed what may leave which machine, when, and why. */

import type { Command } from "commander"
import { jsonText } from "../contract/json-text.ts"
import type { AuditRow } from "../host-proxy/archive/schema.ts"
import type { CliContext } from "./context.ts"
import { printTable } from "./print-table.ts"
import { printableLine } from "./printable-line.ts"

const HELP = `
Each line was on the disk before what it tells of counted, and is never changed. WHO is the user of the host service,
whose socket only that user may open; a name behind it in brackets is who says to stand behind that user, a claim.

Examples:
  $ stereo audit
  $ stereo audit --machine demo --json`

export function addAuditCommand(program: Command, context: CliContext): void {
  program
    .command("audit")
    .description("list who changed what may leave which machine, when, and why")
    .option("--machine <name>", "of one machine only")
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action((options: { machine?: string; json?: boolean }) => printAudit(context, options))
}

async function printAudit(context: CliContext, options: { machine?: string; json?: boolean }): Promise<void> {
  const { openReader } = await import("../host-proxy/archive/open-reader.ts")
  await using reader = openReader(context.home.archive)
  const { machine } = options
  const rows = (await reader?.audit(machine === undefined ? undefined : { machine })) ?? []
  if (options.json) return context.print(jsonText(rows.map(describe)))
  if (rows.length === 0) {
    const where = machine === undefined ? "" : `, on no machine called ${printableLine(machine, 60)}`
    return context.print(`nothing was changed by hand${where}\n`)
  }
  const table = rows.map((row) => [
    new Date(row.at_ms).toISOString().slice(0, 19).replace("T", " "),
    row.machine,
    printableLine(whoOf(row), 40),
    row.action,
    row.rule_id ?? "-",
    printableLine(row.detail, 120),
    printableLine(row.why ?? "-", 80),
  ])
  context.print(printTable(["WHEN (UTC)", "MACHINE", "WHO", "WHAT", "RULE", "", "WHY"], table))
}

function whoOf({ uid, user, claimed_user }: AuditRow): string {
  return `${user}(${uid})${claimed_user === null ? "" : ` [${claimed_user}]`}`
}

function describe(row: AuditRow): object {
  const { at_ms, run_id, claimed_user, rule_id, rule, for_seconds, ...rest } = row
  return {
    ...rest,
    at: new Date(at_ms).toISOString(),
    runId: run_id,
    claimedUser: claimed_user,
    ruleId: rule_id,
    // written by audit-entry.ts from a LiveRule
    rule: rule === null ? null : (JSON.parse(rule) as unknown),
    forSeconds: for_seconds,
  }
}
