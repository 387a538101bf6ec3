/** `stereo up`: starts a machine and leaves it running. */

import { type Command, InvalidArgumentError, Option } from "commander"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import type { LaunchedMachine } from "../machine/launch.ts"
import type { CliContext } from "./context.ts"
import { addCloudOptions } from "./ec2/cloud-options.ts"
import type { UpOnEc2Options } from "./ec2/up-on-ec2.ts"
import { ensureHost, refuseLongHome } from "./ensure-host.ts"

interface UpOptions {
  readonly image?: string
  readonly name?: string
  readonly team?: string
  readonly project?: string
  readonly json?: boolean
}

export function addUpCommand(program: Command, context: CliContext): void {
  const command = program
    .command("up")
    .description("start a machine, and wait until it is ready; one that was stopped keeps its disk")
    .argument("[card]", "path of a jcard.toml; with --on ec2, an image or an AMI")
    .argument("[command...]", "with --on ec2: what to run there, after --; without it, a login shell")
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
        "\nOn EC2 the machine is an instance that is terminated when the command, or the session, ends; the exit code",
        "is then the command's, or 125 when stereo failed. An image is verified first, as here; where an AMI's id is",
        "given, the AMI itself is what you trust. See docs/ec2.md.",
        "\nExamples:",
        "  $ stereo up --image coder --name demo",
        "  $ stereo up jcard.toml",
        "  $ stereo up --on ec2 coder-ec2 --region eu-central-1 --subnet subnet-0a1b -- claude -p hello",
      ].join("\n"),
    )
    .action((card: string | undefined, words: string[], options: UpOptions & Elsewhere) =>
      options.on === "ec2" ? upThere(context, card, words, options) : upHere(context, card, words, options),
    )
  addElsewhereOptions(command)
}

type Elsewhere = UpOnEc2Options & { readonly on?: "ec2" }

function addElsewhereOptions(command: Command): void {
  command
    .addOption(
      new Option("--on <where>", "start it elsewhere")
        .choices(["ec2"])
        .conflicts(["image", "team", "project", "json"]),
    )
    .option("--instance-type <type>", "EC2: how large", "t3.medium")
    .option("--subnet <id>", "EC2: where in the network (default: the default subnet)")
    .option("--security-group <id...>", "EC2: who may reach it (default: the default group)")
    .option("--key-name <name>", "EC2: a key pair of the account to give it as well")
    .option("--identity <file>", "EC2: the private key that logs in (default: ssh agent, ~/.ssh/id_ed25519)")
    .option("--ssh-port <port>", "EC2: where sshd answers (default: 22, for root 222)", parsePort)
    .addOption(
      new Option("--user <name>", "EC2: who runs the command").choices(["agent", "root"]).default("agent"),
    )
  addCloudOptions(command)
}

async function upThere(context: CliContext, image: string | undefined, words: string[], options: Elsewhere) {
  if (image === undefined) throw new InvalidArgumentError("--on ec2 expects an image or an AMI.")
  const { upOnEc2 } = await import("./ec2/up-on-ec2.ts")
  await upOnEc2(context, image, words, options)
}

async function upHere(context: CliContext, card: string | undefined, words: string[], options: UpOptions) {
  if (words.length > 0)
    throw new InvalidArgumentError("a command is only for --on ec2; `stereo run` runs one here.")
  const { image, name, team, project, json } = options
  const given = { image, name, team, project, json }
  // what was not said must not stand there as undefined
  await up(
    context,
    card,
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  )
}

function parsePort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new InvalidArgumentError("Expected a port, 1 to 65535.")
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
  refuseLongHome(home)
  using stack = new DisposableStack()
  const { image, ...asked } = card === undefined ? await keepEarlier(context, given) : given
  return await launchMachine({
    ...{ home, projectDir, asked, ephemeral: false, progress, now, signal },
    connect: async () => stack.use(await ensureHost(context)),
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
