/** `stereo images rebuild`: whether an image comes out the same when it is built again. */

import type { Command } from "commander"
import type { RebuildReport } from "../../builder/rebuild.ts"
import { jsonText } from "../../contract/json-text.ts"
import { printable } from "../../machine/read-tail-text.ts"
import { builderContext } from "../builder-context.ts"
import type { CliContext } from "../context.ts"

interface RebuildOptions {
  readonly offline?: boolean
  readonly json?: boolean
}

const DIFFERS = 2

const HELP = `
Packages are those of the lock that the image carries, out of the store or from Debian; nothing else of earlier builds
is used but tools trees, which its second lock names. An image that was built for a site is built for the one that
lies in it. The checkout must give the plan that the manifest names.
Signatures are left out: they hold the time of signing.
Where files differ, the host's diffoscope shows in what, also inside of the root: apt install diffoscope-minimal.

Exit codes: 0 the same bytes, 2 something differs (and the second image is kept), 1 it could not be rebuilt, 64 usage.

Example:
  $ stereo images rebuild base
  $ stereo images rebuild coder-ec2`

export function addRebuildCommand(images: Command, context: CliContext): void {
  images
    .command("rebuild")
    .description("build an image again from its own lock and compare: exit code 2 when a byte differs")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .option("--offline", "take packages from the store alone: nothing is fetched")
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action(async (reference: string, options: RebuildOptions) => {
      const { rebuildImage } = await import("../../builder/rebuild.ts")
      const report = await rebuildImage(context.projectDir, reference, builderContext(context, options))
      const same = report.keptDir === null
      if (!same) context.exitWith(DIFFERS)
      context.print(options.json ? jsonText({ same, ...report }) : renderRebuild(report))
    })
}

/** What differs is shown as it is in the image, which may be somebody else's: without control characters. */
export function renderRebuild({
  name,
  digest,
  rebuiltDigest,
  files,
  lacking,
  keptDir,
}: RebuildReport): string {
  const rows = files.flatMap(({ name: file, same, sha256, differences }) => [
    `  ${same ? "same   " : "DIFFERS"}  ${file.padEnd(22)}  ${sha256.before ?? "not there"}`,
    ...(same ? [] : [`${" ".repeat(35)}${sha256.after ?? "not there"}`]),
    ...differences.map((line) => `             ${line}`),
  ])
  const verdict =
    keptDir === null
      ? `${name} ${digest}: rebuilt, every byte the same`
      : `${name}: NOT the same: was ${digest}, is ${rebuiltDigest}\nthe second one is in ${keptDir}`
  return printable(`${[...rows, ...(lacking === null ? [] : [lacking]), verdict].join("\n")}\n`)
}
