/** `stereo images export`: an image in a form that firmware, other hypervisors, clouds and registries take. */

import { type Command, Option } from "commander"
import { EXPORT_FORMATS, type ExportFormat } from "../../contract/export-format.ts"
import { jsonText } from "../../contract/json-text.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import type { CliContext } from "../context.ts"

export interface ExportOptions {
  readonly format: ExportFormat | "oci"
  readonly output?: string
  readonly secureBootKey?: string
  readonly secureBootCert?: string
  readonly signedUki?: string
  readonly firmwareVars?: string
  readonly json?: boolean
}

const HELP = `
Formats:
  oci        an OCI image layout: a folder, or an archive when FILE ends in .tar
  raw        a disk with GPT: kernel, initramfs and command line as one program for UEFI firmware, and the root
  qcow2      the same disk, compressed, for QEMU
  uki        that program alone, to be signed elsewhere or started by a boot loader
  raw.zst, qcow2.zst  packed with zstd

The image is verified first. Without a signature for Secure Boot the same image gives the same bytes each time.
docs/formats.md has QEMU's command line, how to enrol keys of one's own, and what a TPM then holds.

Examples:
  $ stereo images export base --format oci -o base.tar
  $ stereo images export base --format raw -o base.raw
  $ stereo images export base --format qcow2 --secure-boot-key db.key --secure-boot-cert db.crt`

/** A layout holds the image's own files, and nothing that firmware starts. */
const FOR_FIRMWARE = ["secureBootKey", "secureBootCert", "signedUki", "firmwareVars"]

export function addExportCommand(images: Command, context: CliContext): void {
  const command = images
    .command("export")
    .description("write an image as a disk that UEFI firmware boots, or as an OCI image layout")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .addOption(
      new Option("--format <format>", "one of those below")
        .choices(["oci", ...EXPORT_FORMATS])
        .makeOptionMandatory(),
    )
    .option(
      "-o, --output <path>",
      "where to; it must not be there yet (default: IMAGE.FORMAT here; of a uki IMAGE.efi, of oci IMAGE.oci.tar)",
    )
    .option("--secure-boot-key <file>", "sign for Secure Boot: a private RSA key, as PEM")
    .option("--secure-boot-cert <file>", "its certificate, as PEM")
    .option("--signed-uki <file>", "take a uki of this image that was signed elsewhere")
    .option(
      "--firmware-vars <file>",
      "OVMF's variables: foretell what a TPM's register 7 will hold with them",
    )
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action(async (reference: string, { format, ...options }: ExportOptions) => {
      if (format === "oci") {
        const lost = command.options.find((option) => isGiven(command, option))
        if (lost !== undefined) command.error(`${lost.long} is for disks and a uki, and the format is oci`)
        return exportLayout(context, reference, options)
      }
      const { exportDisk } = await import("./export-disk.ts")
      return exportDisk(context, reference, { format, ...options })
    })
}

function isGiven(command: Command, option: Option): boolean {
  const name = option.attributeName()
  return FOR_FIRMWARE.includes(name) && command.getOptionValue(name) !== undefined
}

async function exportLayout(
  context: CliContext,
  reference: string,
  options: Omit<ExportOptions, "format">,
): Promise<void> {
  const { readImageFolder } = await import("../registry/read-image-folder.ts")
  const { writeLayout } = await import("../../publish/oci/write-layout.ts")
  const { path, sizeBytes, digest } = await context.progress.step(`Exporting ${reference}`, async () => {
    const image = await readImageFolder(context, reference)
    return writeLayout(image, options.output ?? `${reference}.oci.tar`, context.signal)
  })
  context.print(
    options.json
      ? jsonText({ format: "oci", path, sizeBytes, digest })
      : `${path}  ${mebibytes(sizeBytes)}  ${digest}\n`,
  )
}
