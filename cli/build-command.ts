/** `stereo build IMAGE`: makes an image, or the part of it that changed. */

import { type Command, Option } from "commander"
import type { BuildReport } from "../builder/build.ts"
import type { BuildTarget } from "../builder/build-target.ts"
import type { TreeStage } from "../builder/enter-tree.ts"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import { mebibytes } from "../contract/mebibytes.ts"
import { builderContext } from "./builder-context.ts"
import type { CliContext } from "./context.ts"
import { renderLocks } from "./render-moves.ts"
import { addSigningOptions, readSigningChoice, SIGNING_HELP, type SigningOptions } from "./signing-choice.ts"

/** As in builder/enter-tree.ts, which is loaded only when it is needed. */
const TREE_STAGES: readonly TreeStage[] = ["rootfs", "seal"]

interface BuildOptions extends SigningOptions {
  readonly profile: string
  readonly json?: boolean
  readonly site?: string
  readonly offline?: boolean
  readonly relock?: boolean
  readonly shell?: boolean
  readonly at?: TreeStage
}

export function addBuildCommand(program: Command, context: CliContext): void {
  const command = program
    .command("build")
    .description("build an image: what did not change since the last build comes from the cache")
    .argument("<image>", "a folder of images/ with an image.toml")
    .option("--profile <profile>", "a folder of images/profiles", STRICT_PROFILE)
    .option(
      "--site <file>",
      "a site.toml, for a profile that runs elsewhere: its gateway, and who may log in",
    )
    .option("--offline", "take packages from the store alone: nothing is fetched")
    .option(
      "--relock",
      "where Debian no longer has what the lock names, go on with what it has now, for this home",
    )
    .addOption(
      new Option(
        "--shell",
        "open a shell in a copy of the image's tree, without a network, instead of finishing it",
      ).conflicts(["json", "signingKey", "signingCommand", "signingPublicKey", "keyless"]),
    )
    .addOption(new Option("--at <stage>", "with --shell: which tree").choices(TREE_STAGES))
  addSigningOptions(command)
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      [
        "\nAn image of another profile than strict is kept beside it, as IMAGE-PROFILE.",
        "Packages are those of images/IMAGE/lock.toml; `stereo lock --update IMAGE` takes newer ones.",
        "With --shell the tree is that of the last stage that can be reached, also when a check refuses it;",
        "the exit code is then the shell's.",
        SIGNING_HELP,
        "\nExamples:",
        "  $ stereo build coder",
        "  $ stereo build coder --profile debug && stereo up --image coder-debug",
        "  $ stereo build coder --shell",
        "  $ stereo build coder --profile ec2 --site site.toml",
        "  $ stereo build coder --profile ec2 --site site.toml --shell",
      ].join("\n"),
    )
    .action(async (image: string, options: BuildOptions) => {
      if (!options.shell && options.at !== undefined) command.error("--at is for --shell")
      const { readSite } = await import("../builder/definition/read-site.ts")
      const site = options.site === undefined ? null : await readSite(options.site)
      const target = { name: image, profile: options.profile, site, siteFile: options.site }
      if (options.shell) return context.exitWith(await openTreeShell(context, target, options))
      const signing = readSigningChoice(options, context.environment)
      const { buildImage } = await import("../builder/build.ts")
      const report = await buildImage(context.projectDir, target, {
        ...builderContext(context, options),
        signing,
      })
      const trusted = await isTrusted(context, report)
      context.print(options.json ? jsonText(toJson(report, trusted)) : describe(report, trusted))
    })
}

async function openTreeShell(
  context: CliContext,
  image: BuildTarget,
  options: BuildOptions,
): Promise<number> {
  const { enterTree } = await import("../builder/enter-tree.ts")
  return enterTree({
    ...{ projectDir: context.projectDir, image, at: options.at ?? "seal" },
    term: context.environment["TERM"] ?? "dumb",
    context: builderContext(context, options),
    announce: (text) =>
      process.stderr.write(`${text}\nin a copy that goes with this shell: no network, all files root's\n`),
  })
}

/** Whether a machine can be started from it here. */
async function isTrusted({ home }: CliContext, { signedBy }: BuildReport): Promise<boolean> {
  const { readTrustedKeys } = await import("../trust/trusted-keys.ts")
  return (await readTrustedKeys(home)).some(({ id }) => id === signedBy.id)
}

function toJson({ image, stages, seconds, sealed, gates, signedBy, locks }: BuildReport, trusted: boolean) {
  return {
    name: image.name,
    profile: image.manifest.profile,
    digest: image.digest,
    dir: image.dir,
    plan: image.manifest.plan,
    rootHash: image.manifest.verity.root_hash,
    sizeBytes: image.sizeBytes,
    files: image.manifest.files,
    signedBy: { id: signedBy.id, trusted },
    stages,
    seconds,
    sealed,
    gates,
    locks: locks.map(({ file, made, moves }) => ({ file, made, moves })),
  }
}

function describe(report: BuildReport, trusted: boolean): string {
  const { image, stages, seconds, sealed, gates, signedBy, locks } = report
  const rows = stages.map(({ stage, seconds, cached }) => {
    return `  ${stage.padEnd(16)}${seconds.toFixed(1).padStart(7)} s${cached ? "  cached" : ""}`
  })
  const sum = stages.reduce((total, stage) => total + stage.seconds, 0)
  const cached = stages.filter((stage) => stage.cached).length
  const { kernel, initramfs, root } = image.manifest.files
  const files = [kernel, initramfs, root].map(({ name, size_bytes }) => `${name} ${mebibytes(size_bytes)}`)
  const pruned = sealed.pruned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const python = sealed.pythonModules > 0 ? `; ${sealed.pythonModules} Python modules compiled` : ""
  return [
    `${image.name} ${image.digest.slice(0, 12)}  ${mebibytes(image.sizeBytes)}: ${files.join(", ")}`,
    `pruned ${mebibytes(pruned)} of Debian; ${sealed.unprivileged.length} files lost a setuid or setgid bit or a capability${python}`,
    describeGates(gates),
    `signed by key ${signedBy.id.slice(0, 16)}${trusted ? "" : ", which is not trusted here: stereo keys trust FILE"}`,
    ...rows,
    `  ${"total".padEnd(16)}${seconds.toFixed(1).padStart(7)} s  ${cached} of ${stages.length} steps cached${sum > seconds ? ", some side by side" : ""}`,
    `in ${image.dir}`,
    renderLocks(locks),
  ].join("\n")
}

function describeGates({ entries, exposures, exceptions }: BuildReport["gates"]): string {
  const over = exposures.filter(({ tenths }) => tenths > 15).length
  const services = `${exposures.length - over} services at most 1.5 exposed, ${over} more by exception`
  return `gates: ${entries} entries, ${services}; ${exceptions.length} exceptions, each with its reason`
}
