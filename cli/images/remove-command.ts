/** `stereo images rm IMAGE`: removes finished images that no machine runs from. */

import { type Command, InvalidArgumentError } from "commander"
import type { RemovedImage } from "../../builder/remove-image.ts"
import { jsonText } from "../../contract/json-text.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import type { CliContext } from "../context.ts"

interface RemoveOptions {
  readonly unnamed?: boolean
  readonly json?: boolean
}

export function addRemoveCommand(images: Command, context: CliContext): void {
  images
    .command("rm")
    .description("remove finished images")
    .argument("[image...]", "a name, a digest, or at least 6 digits of its beginning")
    .option("--unnamed", "those of earlier builds and pulls, at which no name points any more")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo images rm coder-debug\n  $ stereo images rm --unnamed\n\nOne that a machine runs from stays. What a build would take from its cache stays, too: building it again is fast.",
    )
    .action(async (references: string[], options: RemoveOptions) => {
      if (references.length === 0 && !options.unnamed)
        throw new InvalidArgumentError("expected an image, or --unnamed.")
      const { removeImages } = await import("./remove-images.ts")
      const removed = await removeImages(context, references, options.unnamed === true)
      context.print(options.json ? jsonText(removed) : removed.map(describe).join(""))
    })
}

function describe({ names, digest, freedBytes }: RemovedImage): string {
  const freed = freedBytes === null ? "it has another name, and stays" : `${mebibytes(freedBytes)} freed`
  return `removed ${names.join(", ") || "(unnamed)"} ${digest.slice(0, 12)}: ${freed}\n`
}
