/** `stereo egress denied`: the hosts that a machine asked for in vain. */

import type { Command } from "commander"
import type { DeniedHost, DeniedRequest } from "../../host-proxy/read-denied.ts"
import type { CliContext } from "../context.ts"
import { parseDuration } from "../parse-duration.ts"
import { printTable } from "../print-table.ts"
import { printableLine } from "../printable-line.ts"
import { readRefusals } from "./read-refusals.ts"

interface DeniedOptions {
  readonly since?: number
  readonly json?: boolean
}

const HELP = `
From the archive, so it works for machines that have ended, too. Host, path and process are as the guest wrote them.

Examples:
  $ stereo egress denied demo
  $ stereo egress denied demo --since 1h --json`

/** What a person takes in; JSON has more. */
const SHOWN_WAYS = 3

export function addDeniedCommand(egress: Command, context: CliContext): void {
  egress
    .command("denied")
    .description("list the hosts that a machine asked for in vain, since its last start")
    .argument("<machine>")
    .option("--since <time>", "only the last 90s, 15m, 1h or 2d", parseDuration)
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action((machine: string, options: DeniedOptions) => printDenied(context, machine, options))
}

async function printDenied(context: CliContext, machine: string, options: DeniedOptions): Promise<void> {
  const filter = { sinceSeconds: options.since, openable: false }
  const { hosts } = await readRefusals(context, machine, filter)
  if (options.json) return context.print(`${JSON.stringify(hosts.map(describe), null, 2)}\n`)
  if (hosts.length === 0) return context.print("nothing was refused\n")
  const rows = hosts.map((one) => [
    printableLine(placeOf(one), 80),
    String(one.count),
    timeOf(one.firstAtMs),
    timeOf(one.lastAtMs),
    printableLine(one.rules.join(","), 60),
    printableLine(waysOf(one), 120),
    printableLine(one.processes[0] ?? "-", 40),
  ])
  const header = ["HOST", "TIMES", "FIRST (UTC)", "LAST (UTC)", "RULE", "ASKED FOR", "BY (AS THE GUEST SAYS)"]
  context.print(printTable(header, rows))
}

function placeOf({ host, port }: DeniedHost): string {
  return port === null ? host : `${host}:${port}`
}

function waysOf({ requests, moreRequests }: DeniedHost): string {
  const shown = requests.slice(0, SHOWN_WAYS).map(wayOf)
  const more = requests.length - shown.length + moreRequests
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(", ")
}

function wayOf({ method, path, count }: DeniedRequest): string {
  return `${method}${path === "" ? "" : ` ${path.slice(0, 60)}`}${count > 1 ? ` (${count})` : ""}`
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ")
}

function describe(denied: DeniedHost): object {
  const { firstAtMs, lastAtMs, ...rest } = denied
  return { ...rest, firstAt: new Date(firstAtMs).toISOString(), lastAt: new Date(lastAtMs).toISOString() }
}
