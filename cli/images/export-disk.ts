/** `stereo images export --format raw|qcow2|uki|…`: what UEFI firmware boots, and what a TPM will then hold. */

import { join } from "node:path"
import { type ExportReport, exportImage } from "../../builder/export-image.ts"
import type { ExportFormat } from "../../contract/export-format.ts"
import { Fault } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import type { CliContext } from "../context.ts"
import { findTools } from "../find-tools.ts"
import { readImageFolder } from "../registry/read-image-folder.ts"

export interface DiskOptions {
  readonly format: ExportFormat
  readonly output?: string
  readonly secureBootKey?: string
  readonly secureBootCert?: string
  readonly signedUki?: string
  readonly firmwareVars?: string
  readonly json?: boolean
}

export interface WrittenDisk {
  readonly report: ExportReport
  readonly digest: string
  readonly manifest: Manifest
}

export async function exportDisk(
  context: CliContext,
  reference: string,
  options: DiskOptions,
): Promise<void> {
  const { report, manifest } = await writeDisk(context, reference, options)
  context.print(options.json ? jsonText(toJson(report, manifest)) : describe(report, manifest))
}

export async function writeDisk(
  context: CliContext,
  reference: string,
  options: DiskOptions,
): Promise<WrittenDisk> {
  const { home, progress, signal } = context
  const { format } = options
  const signing = readSigning(options)
  // what is written to a disk leaves stereo's checks behind, so all of it is read now
  const { dir, digest, manifest } = await progress.step(`Verifying ${reference}`, () =>
    readImageFolder(context, reference, "all"),
  )
  const toolsDir = await findTools(home, "export")
  const report = await exportImage({
    ...{ dir, manifest, format, signing, toolsDir, progress, signal },
    firmwareVariables: options.firmwareVars ?? null,
    output: options.output ?? `${reference}.${format === "uki" ? "efi" : format}`,
    logFile: join(home.cache, "logs", `export-${reference}-${format}.log`),
  })
  return { report, digest, manifest }
}

function readSigning(options: DiskOptions) {
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

function toJson({ file, pcr7, ...report }: ExportReport, { uefi, verity }: Manifest) {
  const pcrs = {
    sha256: {
      ...uefi.pcrs.sha256,
      // what is not signed starts only with Secure Boot off, and then the firmware measures more
      ...(report.signed ? {} : uefi.pcrs_secure_boot_off.sha256),
      ...(pcr7 === null ? {} : { "7": pcr7 }),
    },
  }
  return { path: file, ...report, rootHash: verity.root_hash, uefi: { ...uefi, pcrs } }
}

function describe(report: ExportReport, manifest: Manifest): string {
  const { file, format, sizeBytes, sha256, signed } = report
  const pcrs = Object.entries(toJson(report, manifest).uefi.pcrs.sha256).map(
    ([number, value]) => `  PCR ${number.padEnd(3)} ${value}`,
  )
  return [
    `${file}  ${format}, ${mebibytes(sizeBytes)}`,
    `  sha256  ${sha256}`,
    signed
      ? "  signed for Secure Boot; the signature holds its time, so each export is another file"
      : "  not signed for Secure Boot; each export of this image has these bytes",
    "a TPM will have measured, once it has booted (SHA-256):",
    ...pcrs,
    "",
  ].join("\n")
}
