/** `stereo egress show`: what may leave, why, and the packet filter that enforces the inner wall. */

import { type Command, Option } from "commander"
import { Fault } from "../../contract/fault.ts"
import type { EgressView } from "../../review/egress-view.ts"
import { SHOW_FORMATS, type ShowFormat } from "../../review/egress-view.ts"
import type { CliContext } from "../context.ts"

interface ShowOptions {
  readonly format: ShowFormat
  readonly json?: boolean
  readonly definition?: boolean
}

const HELP = `
A target is an image (the built one, or else its definition), a machine (what is in force at this moment), a card
(a path that ends in .toml), or one of them as it was at a git revision: main:coder, HEAD~3:jcard.toml.
image:NAME, definition:NAME and machine:NAME say which is meant.

Exit codes: 0 shown, 1 the policy is broken (nothing leaves) or the target cannot be read, 64 usage.

Examples:
  $ stereo egress show coder
  $ stereo egress show demo --format html > review.html`

export function addShowCommand(egress: Command, context: CliContext): void {
  egress
    .command("show")
    .description("show what may leave an image, a machine or a card, with its sources and reasons")
    .argument("<target>", "an image, a machine, a card, or REVISION:IMAGE")
    .option("--definition", "of an image read the definition, built or not")
    .addOption(new Option("--format <format>", "how to print it").choices(SHOW_FORMATS).default("text"))
    .option("--json", "print as JSON, the same as --format json")
    .addHelpText("after", HELP)
    .action((target: string, options: ShowOptions) => show(context, target, options))
}

async function show(context: CliContext, target: string, options: ShowOptions): Promise<void> {
  const asked = options.definition && !/[:]|\.toml$/.test(target) ? `definition:${target}` : target
  const { resolveTarget } = await import("./resolve-target.ts")
  const { showEgress } = await import("../../review/show-egress.ts")
  const view = await resolveTarget(context, asked)
  const today = new Date(context.now()).toISOString().slice(0, 10)
  context.print(showEgress(view, options.json ? "json" : options.format, today))
  if (view.policy.kind === "broken") throw broken(view, view.policy)
}

function broken(
  view: EgressView,
  { rule, reason }: { readonly rule: string; readonly reason: string },
): Fault {
  return new Fault(rule, `nothing may leave ${view.target}: ${reason}`, {
    hint: "correct what is named; until then every request is refused",
  })
}
