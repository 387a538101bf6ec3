/** `stereo images export`: an image as a disk, or as the one program that UEFI firmware starts. */

import { realpath } from "node:fs/promises"
import { basename, join } from "node:path"
import { type Command, Option } from "commander"
import type { ExportReport } from "../../builder/export-image.ts"
import { EXPORT_FORMATS, type ExportFormat } from "../../contract/export-format.ts"
import { Fault } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { currentToolsTree } from "../../contract/tools-tree.ts"
import type { CliContext } from "../context.ts"

interface ExportOptions {
  readonly format: ExportFormat
  readonly output?: string
  readonly secureBootKey?: string
  readonly secureBootCert?: string
  readonly signedUki?: string
  readonly json?: boolean
}

const HELP = `
  raw        a disk with GPT: kernel, initramfs and command line as one program for UEFI, and the root
  qcow2      the same disk, compressed, for QEMU
  uki        that program alone, to be signed elsewhere or started by a boot loader
  raw.zst, qcow2.zst  packed with zstd

The image is verified first, as \`stereo images verify\` does. Without a signature for Secure Boot the same image gives
the same bytes each time. docs/formats.md has QEMU's command line, and how to enrol keys of one's own.

Examples:
  $ stereo images export base --format raw -o base.raw
  $ stereo images export base --format qcow2 --secure-boot-key db.key --secure-boot-cert db.crt`

export function addExportCommand(images: Command, context: CliContext): void {
  images
    .command("export")
    .description("write an image as a disk that UEFI firmware boots, with or without Secure Boot")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .addOption(new Option("--format <format>", "what to write").choices(EXPORT_FORMATS).makeOptionMandatory())
    .option("-o, --output <file>", "where to (default: IMAGE.FORMAT in this folder)")
    .option("--secure-boot-key <file>", "sign for Secure Boot: a private RSA key, as PEM")
    .option("--secure-boot-cert <file>", "its certificate, as PEM")
    .option("--signed-uki <file>", "take a uki of this image that was signed elsewhere")
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action((reference: string, options: ExportOptions) => exportOne(context, reference, options))
}

async function exportOne(context: CliContext, reference: string, options: ExportOptions): Promise<void> {
  const { home, progress, signal } = context
  const signing = readSigning(options)
  const { format } = options
  const { exportImage } = await import("../../builder/export-image.ts")
  const toolsDir = await findTools(context)
  const { dir, manifest, name } = await readVerified(context, reference)
  const report = await exportImage({
    ...{ dir, manifest, format, signing, toolsDir, progress, signal },
    output: options.output ?? `${name}.${format === "uki" ? "efi" : format}`,
    logFile: join(home.cache, "logs", `export-${name}-${format}.log`),
  })
  context.print(options.json ? jsonText(toJson(report, manifest)) : describe(report, manifest))
}

function readSigning(options: ExportOptions) {
  const { secureBootKey: key, secureBootCert: certificate, signedUki } = options
  if (signedUki !== undefined && key === undefined && certificate === undefined) return { signedUki }
  if (signedUki === undefined && key !== undefined && certificate !== undefined) return { key, certificate }
  if (signedUki === undefined && key === undefined && certificate === undefined) return null
  throw new Fault(
    "export/half-a-key",
    "a signature needs both a key and its certificate, or is there already",
    {
      hint: "give --secure-boot-key and --secure-boot-cert together, or --signed-uki alone",
    },
  )
}

async function findTools({ home }: CliContext): Promise<string> {
  return realpath(currentToolsTree(home)).catch((thrown: unknown) => {
    throw new Fault("export/no-tools", `there is no tools tree at ${currentToolsTree(home)}`, {
      hint: "make it with `stereo setup` (about a minute)",
      cause: thrown,
    })
  })
}

/** What is written to a disk leaves stereo's checks behind, so all of it is read now. */
async function readVerified(context: CliContext, reference: string) {
  const { findImageFolder } = await import("../../builder/find-image-folder.ts")
  const { verifyImage } = await import("../../trust/verify-image.ts")
  const { readTrustedKeys } = await import("../../trust/trusted-keys.ts")
  const { dir, name } = await findImageFolder(context.home, reference)
  const keys = await readTrustedKeys(context.home)
  const verification = await context.progress.step(`Verifying ${reference}`, () =>
    verifyImage({ dir, digest: basename(dir), storedName: name, keys, depth: "all" }),
  )
  if (verification.kind === "verified") {
    return { dir, manifest: verification.manifest, name: name ?? verification.digest.slice(0, 12) }
  }
  const [{ file, reason }] = verification.findings
  throw new Fault(
    "image/not-verified",
    `${reference} is not what somebody who is trusted signed: ${file}: ${reason}`,
    {
      hint: `\`stereo images verify ${reference}\` says all of it`,
    },
  )
}

function toJson(report: ExportReport, { uefi, verity }: Manifest) {
  return { ...report, rootHash: verity.root_hash, uefi }
}

function describe({ file, format, sizeBytes, sha256, signed }: ExportReport, { uefi }: Manifest): string {
  const pcrs = Object.entries(uefi.pcrs.sha256).map(([number, value]) => `  PCR ${number.padEnd(3)} ${value}`)
  return [
    `${file}  ${format}, ${(sizeBytes / 1_048_576).toFixed(1)} MiB`,
    `  sha256  ${sha256}`,
    signed
      ? "  signed for Secure Boot; the signature holds its time, so each export is another file"
      : "  not signed for Secure Boot; each export of this image has these bytes",
    "a TPM will have measured, once it has booted (SHA-256):",
    ...pcrs,
    "",
  ].join("\n")
}
