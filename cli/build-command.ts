/** `stereo build IMAGE`: makes an image, or the part of it that changed. */

import type { Command } from "commander"
import type { BuildReport } from "../builder/build.ts"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import { builderContext } from "./builder-context.ts"
import type { CliContext } from "./context.ts"
import { renderLocks } from "./render-moves.ts"

interface BuildOptions {
  readonly profile: string
  readonly json?: boolean
  readonly offline?: boolean
  readonly relock?: boolean
}

export function addBuildCommand(program: Command, context: CliContext): void {
  program
    .command("build")
    .description("build an image: what did not change since the last build comes from the cache")
    .argument("<image>", "a folder of images/ with an image.toml")
    .option("--profile <profile>", "a folder of images/profiles", STRICT_PROFILE)
    .option("--offline", "take packages from the store alone: nothing is fetched")
    .option(
      "--relock",
      "where Debian no longer has what the lock names, go on with what it has now, for this home",
    )
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      [
        "\nAn image of another profile than strict is kept beside it, as IMAGE-PROFILE.",
        "Packages are those of images/IMAGE/lock.toml; `stereo lock --update IMAGE` takes newer ones.",
        "\nExamples:",
        "  $ stereo build coder",
        "  $ stereo build coder --profile debug && stereo up --image coder-debug",
      ].join("\n"),
    )
    .action(async (image: string, options: BuildOptions) => {
      const { buildImage } = await import("../builder/build.ts")
      const report = await buildImage(
        context.projectDir,
        { name: image, profile: options.profile },
        builderContext(context, options),
      )
      context.print(options.json ? jsonText(toJson(report)) : describe(report))
    })
}

function toJson({ image, stages, sealed, locks }: BuildReport) {
  return {
    name: image.name,
    profile: image.manifest.profile,
    digest: image.digest,
    dir: image.dir,
    plan: image.manifest.plan,
    rootHash: image.manifest.verity.root_hash,
    sizeBytes: image.sizeBytes,
    files: image.manifest.files,
    stages,
    sealed,
    locks: locks.map(({ file, made, moves }) => ({ file, made, moves })),
  }
}

function describe({ image, stages, sealed, locks }: BuildReport): string {
  const rows = stages.map(({ stage, seconds, cached }) => {
    return `  ${stage.padEnd(16)}${seconds.toFixed(1).padStart(7)} s${cached ? "  cached" : ""}`
  })
  const { kernel, initramfs, root } = image.manifest.files
  const files = [kernel, initramfs, root].map(({ name, size_bytes }) => `${name} ${mebibytes(size_bytes)}`)
  const pruned = sealed.pruned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return [
    `${image.name} ${image.digest.slice(0, 12)}  ${mebibytes(image.sizeBytes)}: ${files.join(", ")}`,
    `pruned ${mebibytes(pruned)} of Debian; ${sealed.unprivileged.length} files lost a setuid or setgid bit`,
    ...rows,
    `in ${image.dir}`,
    renderLocks(locks),
  ].join("\n")
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
