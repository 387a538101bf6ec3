/** `stereo up`: starts a machine and leaves it running. */

import type { Command } from "commander"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import type { LaunchedMachine } from "../machine/launch.ts"
import type { CliContext } from "./context.ts"
import { ensureHost } from "./ensure-host.ts"

interface UpOptions {
  readonly image?: string
  readonly name?: string
  readonly team?: string
  readonly project?: string
  readonly json?: boolean
}

export function addUpCommand(program: Command, context: CliContext): void {
  program
    .command("up")
    .description("start a machine, and wait until it is ready; one that was stopped keeps its disk")
    .argument("[card]", "path of a jcard.toml")
    .option("--image <name>", "the image (default: the card's, or base)")
    .option("--name <name>", "the machine's name (default: the card's, or a new one)")
    .option("--team <name>", "who pays")
    .option("--project <name>", "for what")
    .option("--json", "print what was started as JSON")
    .addHelpText(
      "after",
      [
        "\nA machine that was stopped is started again by its name with its disk, image, team and project; what else",
        "its card said needs the card again. The keys of a card are in docs/definitions.md.",
        "\nExamples:",
        "  $ stereo up --image coder --name demo",
        "  $ stereo up jcard.toml",
      ].join("\n"),
    )
    .action((card: string | undefined, options: UpOptions) => up(context, card, options))
}

async function up(context: CliContext, card: string | undefined, options: UpOptions): Promise<void> {
  const { json, ...given } = options
  const launched = await startMachine(context, card, given)
  context.print(json ? jsonText(toJson(launched)) : `${launched.record.name}\n`)
  process.stderr.write(describe(launched))
}

/** Starts a machine as `up` does. */
export async function startMachine(
  context: CliContext,
  card: string | undefined,
  given: Omit<UpOptions, "json">,
): Promise<LaunchedMachine> {
  const { home, projectDir, progress, now, signal } = context
  const { sweepMachines } = await import("../machine/sweep.ts")
  const { launchMachine } = await import("../machine/launch.ts")
  await sweepMachines(home, now())
  using host = await ensureHost(context)
  const { image, ...asked } = card === undefined ? await keepEarlier(context, given) : given
  return await launchMachine({
    ...{ home, projectDir, host, asked, ephemeral: false, progress, now, signal },
    ...(image === undefined ? {} : { image }),
    ...(card === undefined ? {} : { card }),
  })
}

/** A machine that is started again without a card stays what it was, unless the command line says otherwise. */
async function keepEarlier(
  context: CliContext,
  given: Omit<UpOptions, "json">,
): Promise<Omit<UpOptions, "json">> {
  const { listMachines } = await import("../machine/record-store.ts")
  const machines = await listMachines(context.home)
  const earlier = machines.find(({ name }) => name === given.name)?.record
  if (!earlier) return given
  return { image: earlier.image.name, team: earlier.team, project: earlier.project, ...given }
}

function toJson({ record, profile, report, accelerator, prepareMs, bootMs }: LaunchedMachine) {
  return {
    name: record.name,
    runId: record.runId,
    image: record.image.name,
    profile,
    accelerator: record.accelerator,
    acceleratorReason: accelerator.reason,
    isolation: record.isolation,
    prepareMs,
    bootMs,
    controlMs: report.controlMs,
    readyMs: report.readyMs,
    guestUptimeMs: report.health.uptimeMs,
  }
}

function describe({ record, profile, accelerator, prepareMs, bootMs }: LaunchedMachine): string {
  const seconds = (bootMs / 1000).toFixed(1)
  const lines = [`${record.name} is ready: ${prepareMs} ms of preparation, ${seconds} s of boot`]
  lines.push(...warnOfProfile(record.image.name, profile))
  if (record.isolation === "none") {
    lines.push(`  it runs under TCG, for which QEMU promises no isolation: ${accelerator.reason}`)
  }
  lines.push(`  try: stereo exec ${record.name} -- id`, "")
  return lines.join("\n")
}

/** Whoever starts an image that is open for a look should not learn it later. */
function warnOfProfile(image: string, profile: string): string[] {
  if (profile === STRICT_PROFILE) return []
  return [
    `  WARNING: ${image} is of the profile ${profile}, which is less locked down than strict: not for agents that you do not trust`,
    `  what it loosens, and why: images/profiles/${profile}/image.toml`,
  ]
}
