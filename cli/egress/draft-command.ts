/** `stereo egress draft`: turns what was refused into a draft of an egress set, with its evidence. */

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../../contract/fault.ts"
import type { DeniedHost } from "../../host-proxy/read-denied.ts"
import type { CliContext } from "../context.ts"
import { parseDuration } from "../parse-duration.ts"
import { readRefusals } from "./read-refusals.ts"

interface DraftOptions {
  readonly name: string
  readonly owner: string
  readonly why: string
  readonly since?: number
  readonly write?: boolean
}

const HELP = `
Only hosts, methods and paths that were really asked for come into it, and no wildcard for a host. The agent chose
them, so review each. The draft loads as it is, but counts only once it lies in policies/egress and an image or a
card names it.

Examples:
  $ stereo egress draft demo --name fixtures --owner data-team --why 'the agent reads the fixtures'
  $ stereo egress draft demo files.example.com --name fixtures --owner data-team --why '…' --write`

export function addDraftCommand(egress: Command, context: CliContext): void {
  egress
    .command("draft")
    .description("draft an egress set from what was refused to a machine, with its evidence")
    .argument("<machine>")
    .argument("[host...]", "only these of the refused hosts (default: all of them)")
    .requiredOption("--name <set>", "the set's name")
    .requiredOption("--owner <name>", "who answers for it")
    .requiredOption("--why <reason>", "the reason, of at least 8 characters")
    .option("--since <time>", "only the last 90s, 15m, 1h or 2d", parseDuration)
    .option("--write", "write it to policies/egress/NAME.toml, unless there is one already")
    .addHelpText("after", HELP)
    .action((machine: string, hosts: string[], options: DraftOptions) =>
      draft(context, machine, hosts, options),
    )
}

async function draft(
  context: CliContext,
  machine: string,
  wanted: readonly string[],
  options: DraftOptions,
): Promise<void> {
  const { name, owner, why } = options
  const { runId, hosts } = await readRefusals(context, machine, {
    sinceSeconds: options.since,
    openable: true,
  })
  const { draftEgressSet } = await import("../../host-proxy/draft-egress-set.ts")
  const chosen = choose(hosts, wanted, machine)
  const text = draftEgressSet(chosen, { name, owner, why, machine, runId })
  if (!options.write) return context.print(text)
  const file = join(context.projectDir, "policies", "egress", `${name}.toml`)
  await writeNew(file, text)
  context.print(`wrote ${file}: review it, then name ${name} in an image or a card\n`)
}

function choose(hosts: readonly DeniedHost[], wanted: readonly string[], machine: string) {
  const missing = wanted.find((name) => !hosts.some((one) => one.host === name))
  const hint = `\`stereo egress denied ${machine}\` lists what was refused`
  if (missing !== undefined) {
    throw new Fault("egress/not-denied", `nothing that a rule could allow was refused for ${missing}`, {
      hint,
    })
  }
  if (hosts.length === 0) {
    throw new Fault("egress/not-denied", `nothing that a rule could allow was refused to ${machine}`, {
      hint,
    })
  }
  return wanted.length === 0 ? hosts : hosts.filter((one) => wanted.includes(one.host))
}

/** Fault `egress/set-exists`: a set that somebody signed is not replaced by what an agent asked for. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: "wx" })
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown // only this field is read
    throw new Fault("egress/set-exists", `${file} is there already`, {
      hint: "choose another --name, or print the draft without --write and merge by hand",
    })
  }
}
