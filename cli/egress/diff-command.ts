/** `stereo egress diff`: what opens and what closes between two images, cards, revisions or machines. */

import { type Command, Option } from "commander"
import { Fault } from "../../contract/fault.ts"
import { DIFF_FORMATS, type DiffFormat } from "../../review/egress-diff.ts"
import type { CliContext } from "../context.ts"

interface DiffOptions {
  readonly format: DiffFormat
  readonly json?: boolean
}

const HELP = `
Targets are those of \`stereo egress show\`. Something opens when there is a request that the second lets out and the
first does not, today or on a day to come, or not as freely (larger bodies, a larger budget, a body that is no longer
looked into); this is decided over all requests, not by comparing texts. Where it cannot be decided, it opens. A
packet filter that differs opens, too, unless it is proven.

Exit codes: 0 nothing opens, 2 something opens and a person must look, 1 a target is broken or cannot be read,
64 usage.

Examples:
  $ stereo egress diff main:coder definition:coder
  $ stereo egress diff coder demo --format markdown`

export function addDiffCommand(egress: Command, context: CliContext): void {
  egress
    .command("diff")
    .description("say what opens and what closes from one target to another; exit code 2 when anything opens")
    .argument("<before>", "an image, a machine, a card, or REVISION:IMAGE")
    .argument("<after>", "the same")
    .addOption(new Option("--format <format>", "how to print it").choices(DIFF_FORMATS).default("text"))
    .option("--json", "print as JSON, the same as --format json")
    .addHelpText("after", HELP)
    .action((before: string, after: string, options: DiffOptions) =>
      diff(context, { before, after }, options),
    )
}

interface Pair {
  readonly before: string
  readonly after: string
}

async function diff(context: CliContext, pair: Pair, options: DiffOptions): Promise<void> {
  const { resolveTarget } = await import("./resolve-target.ts")
  const before = await resolveTarget(context, pair.before)
  const after = await resolveTarget(context, pair.after)
  const today = new Date(context.now()).toISOString().slice(0, 10)
  const { compareEgress, renderDiff } = await import("../../review/compare-egress.ts")
  const { judgeWall } = await import("../../review/judge-wall.ts")
  const found = await context.progress.step("Comparing", async () =>
    compareEgress({ before, after, today, prove: judgeWall }),
  )
  // before anything is printed, whose reader may leave
  if (found.opens) context.exitWith(2)
  context.print(renderDiff(found, options.json ? "json" : options.format))
  if (found.opens) return
  const broken = [before, after].find(({ policy }) => policy.kind === "broken")
  if (broken?.policy.kind !== "broken") return
  throw new Fault(broken.policy.rule, `${broken.target} lets nothing out: ${broken.policy.reason}`, {
    hint: "nothing opens; correct what is named before this is relied on",
  })
}
