/** `stereo cost`: what the recorded calls cost, exactly. */

import { type Command, InvalidArgumentError } from "commander"
import { jsonText } from "../contract/json-text.ts"
import { formatUsd } from "../host-proxy/cost/format-usd.ts"
import { COST_KEYS, type CostGroup, type CostKey, groupCosts } from "../host-proxy/group-costs.ts"
import type { CliContext } from "./context.ts"
import { openRecords } from "./open-records.ts"
import { printTable } from "./print-table.ts"
import { printableLine } from "./printable-line.ts"

interface CostOptions {
  readonly by: readonly CostKey[]
  readonly json?: boolean
}

export function addCostCommand(program: Command, context: CliContext): void {
  program
    .command("cost")
    .description("print what the recorded calls cost, in exact US dollars")
    .option("--by <keys>", `group by any of ${COST_KEYS.join(",")}, joined by commas`, parseKeys, ["model"])
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExamples:\n  $ stereo cost\n  $ stereo cost --by team,model --json")
    .action((options: CostOptions) => printCost(context, options))
}

async function printCost(context: CliContext, options: CostOptions): Promise<void> {
  await using records = await openRecords(context)
  const ledger = records?.ledger ?? []
  const groups = groupCosts(ledger, options.by)
  const total = groupCosts(ledger, [])[0] ?? null
  if (options.json) {
    const body = { total: total && describeGroup(total), groups: groups.map(describeGroup) }
    return context.print(jsonText(body))
  }
  if (!total) return context.print("nothing has been called, so nothing was paid\n")
  const titles = options.by.map((key) => key.toUpperCase())
  const header = [...titles, "CALLS", "INPUT", "5M WRITE", "1H WRITE", "READ", "OUTPUT", "USD"]
  const rows = groups.map((group) =>
    renderRow(
      options.by.map((key) => printableLine(group.keys[key] ?? "", 72)),
      group,
    ),
  )
  const totalRow = renderRow(
    options.by.map((_key, index) => (index === 0 ? "total" : "")),
    total,
  )
  context.print(printTable(header, groups.length > 1 ? [...rows, totalRow] : rows))
  context.print(renderRemarks(total))
}

function renderRow(keys: readonly string[], group: CostGroup): string[] {
  const { input, cacheWrite5m, cacheWrite1h, cacheRead, output } = group.buckets
  const counts = [group.calls, input, cacheWrite5m, cacheWrite1h, cacheRead, output]
  return [...keys, ...counts.map((count) => count.toLocaleString("en")), costText(group)]
}

/** Unpriced is never shown as zero. */
function costText(group: CostGroup): string {
  if (group.calls > 0 && group.unpriced === group.calls) return "unpriced"
  return `${formatUsd(group.costNanoUsd)}${group.unpriced > 0 ? ` + ${group.unpriced} unpriced` : ""}`
}

function renderRemarks(total: CostGroup): string {
  const unpriced = total.unpricedReasons.map((reason) => `unpriced: ${printableLine(reason, 160)}\n`)
  const cut = `${total.estimated} of the calls were cut: their output is a lower bound\n`
  return [...unpriced, ...(total.estimated > 0 ? [cut] : [])].join("")
}

function describeGroup(group: CostGroup): object {
  const { keys, calls, buckets, costNanoUsd, unpriced, unpricedReasons, estimated } = group
  const costUsd = calls > 0 && unpriced === calls ? null : formatUsd(costNanoUsd)
  return { ...keys, calls, tokens: buckets, costUsd, unpriced, unpricedReasons, estimated }
}

function parseKeys(text: string): CostKey[] {
  return text.split(",").map((word) => {
    const key = COST_KEYS.find((one) => one === word.trim())
    if (key) return key
    throw new InvalidArgumentError(`${JSON.stringify(word)} is not one of ${COST_KEYS.join(", ")}.`)
  })
}
