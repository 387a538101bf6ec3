/** A disk's path: sealed files → unified kernel image → signature → disk → packed → into its place. */

import { createHash } from "node:crypto"
import { access, constants, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import type { ExportFormat } from "../contract/export-format.ts"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Manifest } from "../contract/manifest.ts"
import type { Progress } from "../contract/progress.ts"
import { makeUki } from "./artifact/make-uki.ts"
import { authenticodeSha256 } from "./artifact/pe-file.ts"
import { makeDisk } from "./export/make-disk.ts"
import { packQcow2, packZstd } from "./export/pack-disk.ts"
import { predictPcr7 } from "./export/predict-pcr7.ts"
import { type SecureBootKey, signUki } from "./export/sign-uki.ts"
import { hashFile } from "./hash-file.ts"

export interface ExportRequest {
  /** The image's folder, whose files have been checked against the manifest. */
  readonly dir: string
  readonly manifest: Manifest
  readonly format: ExportFormat
  /** Must not be there yet; written beside, then renamed. */
  readonly output: string
  /** How Secure Boot is to trust it: a key, or a file that was signed elsewhere; null: it is not to. */
  readonly signing: SecureBootKey | { readonly signedUki: string } | null
  /** The firmware's variable store, for which register 7 is foretold; null: it is not. Wants a key in `signing`. */
  readonly firmwareVariables: string | null
  readonly toolsDir: string
  readonly logFile: string
  readonly progress: Progress
  readonly signal: AbortSignal
}

export interface ExportReport {
  readonly file: string
  readonly format: ExportFormat
  readonly sizeBytes: number
  readonly sha256: string
  /** A signature holds its time: without one the same image gives the same bytes. */
  readonly signed: boolean
  /** What a TPM's register 7 will hold with the variable store that was given. */
  readonly pcr7: string | null
}

/** Faults: `export/half-a-key`, `export/bad-input`, `export/bad-output`, `export/other-uki`, `export/not-signed`, and those of the tools. */
export async function exportImage(request: ExportRequest): Promise<ExportReport> {
  const { dir: imageDir, manifest, format, progress, signing } = request
  const output = resolve(request.output)
  await checkInputs(request)
  await using work = await openWorkFolder(output)
  await mkdir(dirname(request.logFile), { recursive: true })
  await rm(request.logFile, { force: true })
  const tool = { ...request, dir: work.dir }
  await progress.step("Unified kernel image", () => placeUki(request, work.dir))
  if (signing !== null && "key" in signing)
    await progress.step("Signature for Secure Boot", () => signUki({ ...tool, ...signing }))
  const pcr7 = await foretellPolicy(request, work.dir)
  let made = "uki.efi"
  if (format !== "uki") {
    const root = join(imageDir, manifest.files.root.name)
    await progress.step("Disk with GPT, kernel and root", () => makeDisk({ ...tool, root }))
    made = "disk.raw"
  }
  if (format.startsWith("qcow2")) {
    await progress.step("qcow2, compressed", () => packQcow2(tool))
    made = "disk.qcow2"
  }
  if (format.endsWith(".zst")) {
    await progress.step("zstd", () => packZstd(made, tool))
    made = `${made}.zst`
  }
  request.signal.throwIfAborted()
  const file = join(work.dir, made)
  const described = { sizeBytes: (await stat(file)).size, sha256: await hashFile(file) }
  await rename(file, output)
  return { file: output, format, ...described, signed: signing !== null, pcr7 }
}

/** Before anything is made: what was given must be there, and enough of it. */
async function checkInputs({ signing, firmwareVariables }: ExportRequest): Promise<void> {
  if (firmwareVariables !== null && (signing === null || !("key" in signing))) {
    throw new Fault(
      "export/half-a-key",
      "register 7 holds the certificate by which the firmware started the disk",
      {
        hint: "give --secure-boot-key and --secure-boot-cert with --firmware-vars",
      },
    )
  }
  for (const file of [
    ...Object.values(signing ?? {}),
    ...(firmwareVariables === null ? [] : [firmwareVariables]),
  ]) {
    await access(file, constants.R_OK).catch((cause: unknown) => {
      throw new Fault("export/bad-input", `${file} cannot be read: ${reasonOf(cause)}`, {
        hint: "docs/formats.md says how such files are made",
        cause,
      })
    })
  }
}

/** A folder beside the output, so that the last step is one rename; it goes whatever happens. */
async function openWorkFolder(output: string): Promise<AsyncDisposable & { readonly dir: string }> {
  const there = await stat(output).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw badOutput(output, reasonOf(thrown), thrown)
  })
  if (there) throw badOutput(output, "something is there already")
  const dir = await mkdtemp(join(dirname(output), `.${basename(output)}-`)).catch((thrown: unknown) => {
    throw badOutput(output, reasonOf(thrown), thrown)
  })
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

function badOutput(output: string, reason: string, cause?: unknown): Fault {
  return new Fault("export/bad-output", `nothing can be written to ${output}: ${reason}`, {
    hint: "name a file that is not there yet, in a folder that is: -o FILE",
    cause,
  })
}

/** Leaves `uki.efi`: made again and compared with what the build foretold, or signed elsewhere and compared with the same. */
async function placeUki(request: ExportRequest, work: string): Promise<void> {
  const { dir, manifest, signing } = request
  const { files, kernel, uefi } = manifest
  if (signing !== null && "signedUki" in signing) {
    await copyFile(signing.signedUki, join(work, "uki.efi"))
    const found = hashProgram(await readFile(join(work, "uki.efi")), signing.signedUki)
    if (found === uefi.authenticode_sha256) return
    const differs = `its Authenticode hash is ${found}, and this image's is ${uefi.authenticode_sha256}`
    throw new Fault("export/other-uki", `${signing.signedUki} is not this image's: ${differs}`, {
      hint: "sign what `stereo images export IMAGE --format uki` gives",
    })
  }
  const parts = {
    ...{ kernel: join(dir, files.kernel.name), initramfs: join(dir, files.initramfs.name) },
    ...{ stub: join(dir, files.stub.name), osRelease: join(dir, files.os_release.name) },
    ...{ commandLine: kernel.command_line, kernelVersion: kernel.version },
  }
  const uki = await makeUki(parts, { ...request, dir: work })
  const found = createHash("sha256").update(uki).digest("hex")
  if (found === uefi.uki_sha256) return
  throw new Fault(
    "export/other-uki",
    `the unified kernel image has sha256 ${found}, and the manifest foretold ${uefi.uki_sha256}`,
    {
      hint: "another version of ukify made it: build the image again, or use the tools tree it was built with",
    },
  )
}

/** Fault: `artifact/not-a-pe`. */
function hashProgram(program: Buffer, file: string): string {
  try {
    return authenticodeSha256(program)
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    throw new Fault(thrown.code, `${file}: ${thrown.message}`, {
      hint: "sign what `stereo images export IMAGE --format uki` gives",
      cause: thrown,
    })
  }
}

async function foretellPolicy(request: ExportRequest, work: string): Promise<string | null> {
  const { firmwareVariables: variables, signing } = request
  if (variables === null || signing === null || !("key" in signing)) return null
  return predictPcr7({ ...request, variables, certificate: signing.certificate, dir: work })
}
