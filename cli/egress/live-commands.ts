/** `stereo egress allow`, `deny` and `revoke`: rules on a running machine, with their reason and on record. */

import type { Command } from "commander"
import { describeLiveRule } from "../../contract/describe-live-rule.ts"
import type { LiveChange } from "../../contract/host-egress-api.ts"
import type { CliContext } from "../context.ts"
import { parseDuration, parseMethods, parseWhole } from "../parse-duration.ts"
import { printableLine } from "../printable-line.ts"
import { openServedMachine } from "./open-served-machine.ts"

interface RuleOptions {
  readonly why: string
  readonly for?: number
  readonly owner?: string
  readonly json?: boolean
}

interface AllowOptions extends RuleOptions {
  readonly port?: number
  readonly methods?: readonly string[]
  readonly path?: readonly string[]
  readonly websocket?: boolean
}

const ALLOW_HELP = `
Without --methods and --path it opens GET and HEAD of every path, with any query; the answer says exactly what.
The rule ends with the run, or after --for. It is checked as a rule of a set in policies/egress is, and stands in
the audit record (\`stereo audit\`). What is needed for good belongs into a set.

Exit code 1 when the host is denied all the same, for a denial wins over every grant.

Examples:
  $ stereo egress allow demo files.example.com --why 'the agent reads the fixtures' --for 1h
  $ stereo egress allow demo api.example.com --methods POST --path '/v1/jobs' --why 'it starts one job'`

const DENY_HELP = `
A denial wins over every grant and ends the calls to that host which are under way.

Example:
  $ stereo egress deny demo files.example.com --why 'it was seen to serve malware'`

export function addLiveCommands(egress: Command, context: CliContext): void {
  addRuleOptions(egress.command("allow"))
    .description("open a host for a running machine: until its run ends, or for a time")
    .option("--port <number>", "the port (default: 443)", parseWhole)
    .option("--methods <list>", "HTTP methods, joined by commas (default: GET,HEAD)", parseMethods)
    .option("--path <pattern...>", "paths, * inside a segment, ** as the last one (default: /**)")
    .option("--websocket", "WebSockets may be opened")
    .addHelpText("after", ALLOW_HELP)
    .action((machine: string, host: string, options: AllowOptions) => allow(context, machine, host, options))
  addRuleOptions(egress.command("deny"))
    .description("close a host for a running machine, whatever allows it")
    .addHelpText("after", DENY_HELP)
    .action((machine: string, host: string, options: RuleOptions) => deny(context, machine, host, options))
  egress
    .command("revoke")
    .description("take back a rule that was made while the machine runs")
    .argument("<machine>")
    .argument("<id>", "as `stereo egress allow` printed it, for example live/3")
    .option("--why <reason>", "kept in the audit record")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo egress revoke demo live/3")
    .action((machine: string, id: string, options: { why?: string; json?: boolean }) =>
      revoke(context, machine, id, options),
    )
}

function addRuleOptions(command: Command): Command {
  return command
    .argument("<machine>")
    .argument("<host>", "a host name such as api.example.com; *.example.com stands for one label")
    .requiredOption("--why <reason>", "the reason, of at least 8 characters")
    .option(
      "--for <time>",
      "for how long, such as 90s, 15m, 1h or 2d (default: until the run ends)",
      parseDuration,
    )
    .option("--owner <name>", "who answers for it (default: this user)")
    .option("--json", "print as JSON")
}

async function allow(context: CliContext, name: string, host: string, options: AllowOptions) {
  const { port, methods, path, websocket } = options
  using machine = await openServedMachine(context, name)
  const wish = {
    ...wishOf(host, options, machine.claimedUser),
    ...(port === undefined ? {} : { port }),
    ...(methods === undefined ? {} : { methods }),
    ...(path === undefined ? {} : { paths: path }),
    websocket: websocket === true,
  }
  const change = await machine.host.changeEgress(name, "allow", wish, context.signal)
  const takeBack = `take it back: stereo egress revoke ${name} ${idOf(change)}\n`
  print(context, options, change, takeBack)
  if (change.deniedBy !== null) context.exitWith(1)
}

async function deny(context: CliContext, name: string, host: string, options: RuleOptions) {
  using machine = await openServedMachine(context, name)
  const wish = wishOf(host, options, machine.claimedUser)
  const change = await machine.host.changeEgress(name, "deny", wish, context.signal)
  print(context, options, change, `take it back: stereo egress revoke ${name} ${idOf(change)}\n`)
}

async function revoke(
  context: CliContext,
  name: string,
  id: string,
  options: { why?: string; json?: boolean },
) {
  using machine = await openServedMachine(context, name)
  const wish = { id, why: options.why ?? null, claimedUser: machine.claimedUser }
  const change = await machine.host.revokeEgress(name, wish, context.signal)
  print(context, options, change, `${id} counts no more\n`)
}

function wishOf(host: string, options: RuleOptions, claimedUser: string | null) {
  const { why, for: forSeconds = null, owner = null } = options
  return { host, why, forSeconds, owner, claimedUser }
}

function idOf({ rule }: LiveChange): string {
  return rule.kind === "allow" ? rule.grant.id : rule.denial.id
}

function print(context: CliContext, { json }: { json?: boolean }, change: LiveChange, last: string): void {
  if (json) {
    context.print(`${JSON.stringify(change, null, 2)}\n`)
    return
  }
  const { why, owner } = change.rule.kind === "allow" ? change.rule.grant : change.rule.denial
  const lines = [`${idOf(change)} ${describeLiveRule(change.rule)}`, `why: ${why} (${owner})`]
  if (change.deniedBy !== null) lines.push(`${change.deniedBy} denies this host, and wins: it stays closed`)
  if (change.cutCalls > 0) lines.push(`${change.cutCalls} calls under way were ended`)
  context.print(`${lines.map((line) => printableLine(line, 1000)).join("\n")}\n${last}`)
}
