/** `stereo packer IMAGE`: a folder with which a pipeline of HashiCorp Packer boots, checks and registers an image. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, open, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join, relative, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import { type Command, InvalidArgumentError } from "commander"
import { Fault } from "../contract/fault.ts"
import { storedName } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import { mebibytes } from "../contract/mebibytes.ts"
import { DEFAULT_PACKER_VERSION, parsePackerForm } from "../publish/packer/packer-version.ts"
import type { PackerRequest } from "../publish/packer/render-packer.ts"
import type { CliContext } from "./context.ts"

interface PackerOptions {
  readonly output?: string
  readonly region: readonly string[]
  readonly disk?: string
  readonly packerVersion: string
  readonly force?: boolean
  readonly json?: boolean
}

export function addPackerCommand(program: Command, context: CliContext): void {
  program
    .command("packer")
    .description("render a folder for pipelines of HashiCorp Packer: a gate in QEMU, and an AMI")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .option("-o, --output <folder>", "where to write it (default: IMAGE.packer)")
    .option(
      "--region <region>",
      "an AWS region; the first makes the AMI, each further one gets a copy",
      collectRegion,
      [],
    )
    .option(
      "--disk <file>",
      "a raw disk of the image, such as one signed for Secure Boot (default: it is exported)",
    )
    .option(
      "--packer-version <version>",
      "the Packer that will read it, such as Debian's 1.6.6",
      DEFAULT_PACKER_VERSION,
    )
    .option("--force", "replace files that were edited, or are another image's")
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      [
        "\nPacker installs nothing into a sealed image. The gate boots its disk read-only and has `stereo attest` ask the",
        "machine what it is; the AMI is the same disk, written to a volume and read back.",
        "\nExamples:",
        "  $ stereo packer base && cd base.packer && packer init . && packer build -only='gate.*' .",
        "  $ stereo packer base --region eu-central-1 --region us-east-1 -o pipeline/base",
        "  $ stereo packer base --packer-version 1.6.6",
      ].join("\n"),
    )
    .action((reference: string, options: PackerOptions) => packer(context, reference, options))
}

async function packer(context: CliContext, reference: string, options: PackerOptions): Promise<void> {
  const form = parsePackerForm(options.packerVersion)
  const { readImageFolder } = await import("./registry/read-image-folder.ts")
  const { renderPacker } = await import("../publish/packer/render-packer.ts")
  const { writeFolder } = await import("../publish/packer/write-folder.ts")
  const { manifest, digest } = await readImageFolder(context, reference)
  const image = storedName(manifest)
  const dir = resolve(options.output ?? `${image}.packer`)
  await using placed =
    options.disk === undefined
      ? await exportInto(context, digest, join(dir, `${image}.raw`))
      : await describeDisk(context, options.disk, dir)
  const { disk } = placed
  const files = await renderPacker({ manifest, digest, disk, regions: options.region, form })
  await writeFolder(dir, files, { force: options.force === true })
  await placed.keep()
  const report = { image, digest, dir, disk, form, files: files.map(({ name }) => name) }
  context.print(options.json ? jsonText(report) : describe(report))
}

interface PlacedDisk extends AsyncDisposable {
  readonly disk: PackerRequest["disk"]
  /** Puts it where the template looks for it, once that is written. */
  keep(): Promise<void>
}

/** Always anew: the same image gives the same bytes, and what lay there may have been another's. */
async function exportInto(context: CliContext, digest: string, path: string): Promise<PlacedDisk> {
  const { writeDisk } = await import("./images/export-disk.ts")
  const made = await mkdir(dirname(path), { recursive: true })
  const next = `${path}.next`
  await rm(next, { force: true })
  const { report } = await writeDisk(context, digest, { format: "raw", output: next }).catch(
    async (thrown) => {
      if (made !== undefined) await rm(made, { recursive: true })
      throw thrown
    },
  )
  return {
    disk: { file: basename(path), sha256: report.sha256, sizeBytes: report.sizeBytes },
    keep: () => rename(next, path),
    [Symbol.asyncDispose]: () => rm(next, { force: true }),
  }
}

interface Report extends Pick<PackerRequest, "digest" | "form" | "disk"> {
  readonly image: string
  readonly dir: string
  readonly files: readonly string[]
}

async function describeDisk(context: CliContext, file: string, dir: string): Promise<PlacedDisk> {
  const path = resolve(file)
  const found = await stat(path).catch((cause: unknown) => {
    throw new Fault("packer/no-disk", `${file}: there is no such disk`, {
      hint: "make one with `stereo images export IMAGE --format raw`, or leave --disk away",
      cause,
    })
  })
  if (!found.isFile() || found.size === 0)
    throw notRaw(file, found.isFile() ? "it is empty" : "it is no file")
  if (!(await hasPartitions(path))) throw notRaw(file, "it has no partition table (GPT)")
  const sha256 = await context.progress.step(`Hash ${file}`, async () => {
    const hash = createHash("sha256")
    await pipeline(createReadStream(path), hash, { signal: context.signal })
    return hash.digest("hex")
  })
  return {
    disk: { file: relative(dir, path), sha256, sizeBytes: found.size },
    keep: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function notRaw(file: string, reason: string): Fault {
  return new Fault("packer/no-disk", `${file} is not a raw disk: ${reason}`, {
    hint: "make one with `stereo images export IMAGE --format raw`, or leave --disk away",
  })
}

/** The second sector begins with GPT's signature; of qcow2 and of what is packed it does not. */
async function hasPartitions(path: string): Promise<boolean> {
  await using disk = await open(path)
  const { buffer } = await disk.read(Buffer.alloc(8), 0, 8, 512)
  return buffer.toString("latin1") === "EFI PART"
}

function describe({ image, digest, dir, disk, form, files }: Report): string {
  const shown = relative(process.cwd(), dir) || "."
  const lines = [
    `${image} ${digest.slice(0, 12)} for Packer in ${shown}: ${files.join(", ")}`,
    `disk ${disk.file}, ${mebibytes(disk.sizeBytes)}, sha256 ${disk.sha256}`,
    ...(form === "bundled"
      ? ["Packer 1.6.6 registers AMIs for BIOS only: of the two builds it can do the gate"]
      : []),
    `next: cd ${shown}${form === "plugins" ? " && packer init ." : ""} && packer build -only='gate.*' .`,
  ]
  return `${lines.join("\n")}\n`
}

/** Faults are commander's: a name of a region is a part of the template. */
function collectRegion(text: string, before: readonly string[]): readonly string[] {
  if (!/^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/.test(text)) {
    throw new InvalidArgumentError("expected a region such as eu-central-1.")
  }
  return before.includes(text) ? before : [...before, text]
}
