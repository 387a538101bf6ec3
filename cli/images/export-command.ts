/** `stereo images export`: an image in a form that other programs take. */

import { type Command, Option } from "commander"
import { Fault } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { CliContext } from "../context.ts"

interface ExportOptions {
  readonly format: string
  readonly output: string
  readonly json?: boolean
}

interface Exported {
  readonly path: string
  readonly sizeBytes: number
  /** What the format knows it by, if it does. */
  readonly digest?: string
}

/** Each format with what it is and how it is written. */
const FORMATS: Readonly<Record<string, { readonly about: string; readonly write: Write }>> = {
  oci: {
    about: "an OCI image layout: a folder, or an archive when FILE ends in .tar",
    write: async (context, reference, output) => {
      const { readImageFolder } = await import("../registry/read-image-folder.ts")
      const { writeLayout } = await import("../../publish/oci/write-layout.ts")
      return writeLayout(await readImageFolder(context, reference), output, context.signal)
    },
  },
}
type Write = (context: CliContext, reference: string, output: string) => Promise<Exported>

export function addExportCommand(images: Command, context: CliContext): void {
  const formats = Object.entries(FORMATS).map(([name, { about }]) => `  ${name.padEnd(8)}${about}`)
  images
    .command("export")
    .description("write an image in a form that other programs take")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .addOption(
      new Option("--format <format>", "one of those below")
        .choices(Object.keys(FORMATS))
        .makeOptionMandatory(),
    )
    .requiredOption("-o, --output <path>", "where to; it must not be there yet")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      `\nFormats:\n${formats.join("\n")}\n\nExample:\n  $ stereo images export base --format oci -o base.tar`,
    )
    .action((reference: string, options: ExportOptions) => run(context, reference, options))
}

async function run(context: CliContext, reference: string, options: ExportOptions): Promise<void> {
  const format = FORMATS[options.format]
  if (format === undefined) throw new Fault("cli/bad-format", `there is no format ${options.format}`)
  const exported = await context.progress.step(`Exporting ${reference}`, () =>
    format.write(context, reference, options.output),
  )
  const { path, sizeBytes, digest } = exported
  const known = digest === undefined ? "" : `  ${digest}`
  context.print(
    options.json
      ? jsonText({ format: options.format, ...exported })
      : `${path}  ${(sizeBytes / 1_048_576).toFixed(1)} MiB${known}\n`,
  )
}
