/** `stereo packer IMAGE`: a folder with which a pipeline of HashiCorp Packer boots, checks and registers an image. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { relative, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import { type Command, InvalidArgumentError } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import { DEFAULT_PACKER_VERSION, parsePackerForm } from "../publish/packer/packer-version.ts"
import type { PackerRequest } from "../publish/packer/render-packer.ts"
import type { CliContext } from "./context.ts"

interface PackerOptions {
  readonly output?: string
  readonly region: readonly string[]
  readonly disk: string
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
    .requiredOption("--disk <file>", "the image's raw disk, as `stereo images export` makes it")
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
        "  $ stereo packer base --disk base.raw && cd base.packer && packer init . && packer build -only='gate.*' .",
        "  $ stereo packer base --disk base.raw --region eu-central-1 --region us-east-1 -o pipeline/base",
        "  $ stereo packer base --disk base.raw --packer-version 1.6.6",
      ].join("\n"),
    )
    .action((reference: string, options: PackerOptions) => packer(context, reference, options))
}

async function packer(context: CliContext, reference: string, options: PackerOptions): Promise<void> {
  const form = parsePackerForm(options.packerVersion)
  const { readImage } = await import("../builder/image-store.ts")
  const { renderPacker } = await import("../publish/packer/render-packer.ts")
  const { writeFolder } = await import("../publish/packer/write-folder.ts")
  const image = await readImage(context.home, reference)
  const dir = resolve(options.output ?? `${image.manifest.name}.packer`)
  const disk = await describeDisk(context, options.disk, dir)
  const request = { manifest: image.manifest, digest: image.digest, disk, regions: options.region, form }
  const files = await renderPacker(request)
  await writeFolder(dir, files, { force: options.force === true })
  const report = {
    image: image.name,
    digest: image.digest,
    dir,
    disk,
    form,
    files: files.map(({ name }) => name),
  }
  context.print(options.json ? jsonText(report) : describe(report))
}

interface Report extends Pick<PackerRequest, "digest" | "form" | "disk"> {
  readonly image: string
  readonly dir: string
  readonly files: readonly string[]
}

async function describeDisk(context: CliContext, file: string, dir: string): Promise<PackerRequest["disk"]> {
  const path = resolve(file)
  const found = await stat(path).catch((cause: unknown) => {
    throw new Fault("packer/no-disk", `${file}: there is no such disk`, {
      hint: "make it: stereo images export IMAGE --format raw",
      cause,
    })
  })
  if (!found.isFile() || found.size === 0)
    throw new Fault("packer/no-disk", `${file} is not a disk in a file`)
  const sha256 = await context.progress.step(`Hash ${file}`, async () => {
    const hash = createHash("sha256")
    await pipeline(createReadStream(path), hash, { signal: context.signal })
    return hash.digest("hex")
  })
  return { file: relative(dir, path), sha256, sizeBytes: found.size }
}

function describe({ image, digest, dir, disk, form, files }: Report): string {
  const shown = relative(process.cwd(), dir) || "."
  const lines = [
    `${image} ${digest.slice(0, 12)} for Packer in ${shown}: ${files.join(", ")}`,
    `disk ${disk.file}, ${(disk.sizeBytes / 1_048_576).toFixed(1)} MiB, sha256 ${disk.sha256}`,
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
