/** `stereo egress reload`: makes the host service read a running machine's egress sets anew. */

import type { Command } from "commander"
import type { EgressGrant } from "../../contract/egress-grant.ts"
import { Fault } from "../../contract/fault.ts"
import type { ReloadReport } from "../../contract/host-egress-api.ts"
import type { CliContext } from "../context.ts"
import { printableLine } from "../printable-line.ts"
import { openServedMachine } from "./open-served-machine.ts"

export function addReloadCommand(egress: Command, context: CliContext): void {
  egress
    .command("reload")
    .description("read a running machine's egress sets anew, and end the calls that they allow no more")
    .argument("<machine>")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      "\nExit code 1 when a set is broken or missing: then nothing leaves the machine any more.\n\nExample:\n  $ stereo egress reload demo",
    )
    .action((machine: string, options: { json?: boolean }) => reload(context, machine, options.json === true))
}

async function reload(context: CliContext, name: string, json: boolean): Promise<void> {
  using machine = await openServedMachine(context, name)
  const report = await machine.host.reload(name, machine.claimedUser, context.signal)
  context.print(json ? `${JSON.stringify(report, null, 2)}\n` : describe(name, report))
  if (report.policy.kind === "broken") {
    throw new Fault(report.policy.rule, `nothing leaves ${name} any more: ${report.policy.reason}`, {
      hint: `correct the set, then run \`stereo egress reload ${name}\` again`,
    })
  }
}

function describe(name: string, report: ReloadReport): string {
  const lines = [
    ...report.opened.map((grant) => `opened  ${describeGrant(grant)}`),
    ...report.closed.map((grant) => `closed  ${describeGrant(grant)}`),
  ]
  if (report.policy.kind === "rules") {
    const { sets, grants } = report.policy
    const named = sets.length === 0 ? "no sets" : sets.join(", ")
    if (lines.length === 0) lines.push("nothing changed")
    lines.push(`${name}: ${grants.length} grants of ${named} in force`)
  }
  if (report.cutCalls > 0) lines.push(`${report.cutCalls} calls under way were ended`)
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`
}

function describeGrant(grant: EgressGrant): string {
  const place = `${grant.scheme}://${grant.host}:${grant.port}`
  const text = `${grant.id}  ${grant.methods.join(",")} ${place} ${grant.paths.join(" ")}  ${grant.why}`
  return printableLine(text, 400)
}
