/** `stereo images size IMAGE`: where the bytes of an image are. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { type Command, InvalidArgumentError } from "commander"
import type { StoredImage } from "../../builder/image-store.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { buildCommand } from "../../contract/image-name.ts"
import { type Inventory, inventory } from "../../contract/inventory.ts"
import { jsonText } from "../../contract/json-text.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import type { CliContext } from "../context.ts"
import { printTable } from "../print-table.ts"
import { type SizeSummary, summariseSizes } from "./summarise-sizes.ts"

const SHOWN = 10

export function addSizeCommand(images: Command, context: CliContext): void {
  images
    .command("size")
    .description("show where the bytes of a finished image are: by file, by package, and the largest files")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .option("--top <count>", "how many packages and files are shown", parseCount, SHOWN)
    .option("--json", "print as JSON: every package, and as many files as --top says")
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo images size base\n  $ stereo images size coder --top 30 --json",
    )
    .action(async (reference: string, { top, json }: { top: number; json?: boolean }) => {
      const { readImage } = await import("../../builder/image-store.ts")
      const image = await readImage(context.home, reference)
      const summary = summariseSizes(image.manifest, await readInventory(image), top)
      const document = { name: image.name, digest: image.digest, ...summary }
      context.print(json ? jsonText(document) : render(image, summary, top))
    })
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
  throw new InvalidArgumentError(`${JSON.stringify(text)} is no count from 1 to 99999.`)
}

async function readInventory({ dir, manifest }: StoredImage): Promise<Inventory> {
  const file = join(dir, manifest.files.inventory.name)
  try {
    return inventory.parse(JSON.parse(await readFile(file, "utf8")))
  } catch (cause) {
    throw new Fault("image/bad-inventory", `${file}: ${reasonOf(cause)}`, {
      hint: `build the image again: ${buildCommand(manifest)}`,
      cause,
    })
  }
}

function render({ name, digest }: StoredImage, summary: SizeSummary, top: number): string {
  const { artifact, origins, largest, rootBytes, ratio, sizeBytes } = summary
  const percent = (bytes: number) => `${((100 * bytes) / rootBytes).toFixed(1)} %`
  const others = origins.slice(top)
  const otherBytes = others.reduce((sum, one) => sum + one.sizeBytes, 0)
  const otherFiles = others.reduce((sum, one) => sum + one.files, 0)
  const rest =
    others.length === 0
      ? []
      : [[`${others.length} others`, String(otherFiles), mebibytes(otherBytes), percent(otherBytes)]]
  return [
    `${name} ${digest.slice(0, 12)}  ${mebibytes(sizeBytes)}\n`,
    printTable(
      ["ON THE DISK", "SIZE"],
      artifact.map((one) => [one.name, mebibytes(one.sizeBytes)]),
    ),
    `the root holds ${mebibytes(rootBytes)} of files in ${(100 * ratio).toFixed(0)} % of that; sizes below are before compression\n`,
    printTable(
      ["PACKAGE", "FILES", "SIZE", "SHARE"],
      [
        ...origins
          .slice(0, top)
          .map((one) => [one.origin, String(one.files), mebibytes(one.sizeBytes), percent(one.sizeBytes)]),
        ...rest,
      ],
    ),
    printTable(
      ["LARGEST FILES", "SIZE", "FROM"],
      largest.map((one) => [one.path, mebibytes(one.sizeBytes), one.origin]),
    ),
  ].join("\n")
}
