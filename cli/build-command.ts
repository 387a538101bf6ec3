/** `stereo build IMAGE`: makes an image, or the part of it that changed. */

import type { Command } from "commander"
import type { BuildReport } from "../builder/build.ts"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import { builderContext } from "./builder-context.ts"
import type { CliContext } from "./context.ts"
import { renderLocks } from "./render-moves.ts"
import { addSigningOptions, readSigningChoice, SIGNING_HELP, type SigningOptions } from "./signing-choice.ts"

interface BuildOptions extends SigningOptions {
  readonly profile: string
  readonly json?: boolean
  readonly site?: string
  readonly offline?: boolean
  readonly relock?: boolean
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
  addSigningOptions(command)
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      [
        "\nAn image of another profile than strict is kept beside it, as IMAGE-PROFILE.",
        "Packages are those of images/IMAGE/lock.toml; `stereo lock --update IMAGE` takes newer ones.",
        SIGNING_HELP,
        "\nExamples:",
        "  $ stereo build coder",
        "  $ stereo build coder --profile debug && stereo up --image coder-debug",
        "  $ stereo build coder --profile ec2 --site site.toml",
      ].join("\n"),
    )
    .action(async (image: string, options: BuildOptions) => {
      const signing = readSigningChoice(options, context.environment)
      const { buildImage } = await import("../builder/build.ts")
      const { readSite } = await import("../builder/definition/read-site.ts")
      const site = options.site === undefined ? null : await readSite(options.site)
      const report = await buildImage(
        context.projectDir,
        { name: image, profile: options.profile, site },
        { ...builderContext(context, options), signing },
      )
      const trusted = await isTrusted(context, report)
      context.print(options.json ? jsonText(toJson(report, trusted)) : describe(report, trusted))
    })
}

/** Whether a machine can be started from it here. */
async function isTrusted({ home }: CliContext, { signedBy }: BuildReport): Promise<boolean> {
  const { readTrustedKeys } = await import("../trust/trusted-keys.ts")
  return (await readTrustedKeys(home)).some(({ id }) => id === signedBy.id)
}

function toJson({ image, stages, sealed, signedBy, locks }: BuildReport, trusted: boolean) {
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
    sealed,
    locks: locks.map(({ file, made, moves }) => ({ file, made, moves })),
  }
}

function describe({ image, stages, sealed, signedBy, locks }: BuildReport, trusted: boolean): string {
  const rows = stages.map(({ stage, seconds, cached }) => {
    return `  ${stage.padEnd(16)}${seconds.toFixed(1).padStart(7)} s${cached ? "  cached" : ""}`
  })
  const { kernel, initramfs, root } = image.manifest.files
  const files = [kernel, initramfs, root].map(({ name, size_bytes }) => `${name} ${mebibytes(size_bytes)}`)
  const pruned = sealed.pruned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return [
    `${image.name} ${image.digest.slice(0, 12)}  ${mebibytes(image.sizeBytes)}: ${files.join(", ")}`,
    `pruned ${mebibytes(pruned)} of Debian; ${sealed.unprivileged.length} files lost a setuid or setgid bit`,
    `signed by key ${signedBy.id.slice(0, 16)}${trusted ? "" : ", which is not trusted here: stereo keys trust FILE"}`,
    ...rows,
    `in ${image.dir}`,
    renderLocks(locks),
  ].join("\n")
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
