/** `stereo publish ec2 IMAGE`: makes an AMI of a built image, once. */

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Command, InvalidArgumentError } from "commander"
import { storedName } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import { mebibytes } from "../contract/mebibytes.ts"
import type { Foresight } from "../publish/ec2/foresee.ts"
import type { PublishReport, PublishRequest } from "../publish/ec2/publish-image.ts"
import type { CliContext } from "./context.ts"
import { addCloudOptions, type CloudOptions, readPlace } from "./ec2/cloud-options.ts"
import type { SecureBootChoice, SecureBootOptions } from "./ec2/read-secure-boot.ts"
import { findTools } from "./find-tools.ts"

interface PublishOptions extends CloudOptions, SecureBootOptions {
  readonly dryRun?: boolean
  readonly restart?: boolean
  readonly parallel: number
  readonly json?: boolean
}

const HELP = `
The image's raw disk is written to a snapshot by the EBS direct APIs: blocks that are not zero, and of a later version
only those that changed. The AMI boots by UEFI with a TPM and takes IMDSv2 only. It is tagged with the digest of the
image's manifest, the certificate of its signature and its UEFI data: a second run with the same finds it and makes
nothing; an interrupted one goes on where it was.
Permissions, costs and what was tested against what: docs/ec2.md.

Examples:
  $ stereo publish ec2 coder-ec2 --region eu-central-1 --dry-run
  $ stereo publish ec2 coder-ec2 --region eu-central-1`

export function addPublishCommand(program: Command, context: CliContext): void {
  const publish = program
    .command("publish")
    .description("take a built image to a cloud")
    .addHelpText("after", "\nExample:\n  $ stereo publish ec2 coder-ec2 --region eu-central-1")
  const command = publish
    .command("ec2")
    .description("make an AMI of a built image")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .option("--dry-run", "print the calls that would be made, and make none that changes anything")
    .option("--restart", "delete what an interrupted run left, and begin anew")
    .option(
      "--parallel <blocks>",
      "blocks under way at once, 1 to 64; fewer when AWS says so",
      parseParallel,
      64,
    )
    .option("--secure-boot-key <file>", "sign for Secure Boot: a private RSA key, as PEM")
    .option("--secure-boot-cert <file>", "its certificate, as PEM")
    .option(
      "--signed-uki <file>",
      "take a uki of this image that was signed already, so that each run sends the same",
    )
    .option(
      "--uefi-data <file>",
      "variable store with Secure Boot keys, as `virt-fw-vars --output-aws` writes it",
    )
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action((image: string, options: PublishOptions) => publishOnEc2(context, image, options))
  addCloudOptions(command)
}

async function publishOnEc2(context: CliContext, reference: string, options: PublishOptions): Promise<void> {
  const { home, progress, signal } = context
  const { readImageFolder } = await import("./registry/read-image-folder.ts")
  const { openClients } = await import("../publish/ec2/open-clients.ts")
  const { readSecureBoot } = await import("./ec2/read-secure-boot.ts")
  const { publishImage } = await import("../publish/ec2/publish-image.ts")
  const { foreseePublish } = await import("../publish/ec2/foresee.ts")
  const place = readPlace(context, options)
  const { signing, secureBoot } = await readSecureBoot(options)
  const { dir, manifest, digest } = await progress.step(`Verifying ${reference}`, () =>
    readImageFolder(context, reference, "all"),
  )
  using clients = openClients(place)
  // in a folder that goes with the boot of this host, should this process be killed
  const folder = await mkdtemp(join(tmpdir(), "stereo-publish-"))
  const disk = join(folder, "disk.raw")
  const request: PublishRequest = {
    ...{ clients, home, progress, signal, pollMs: options.poll * 1000, parallel: options.parallel },
    image: { name: storedName(manifest), digest, plan: manifest.plan },
    exportDisk: () => exportDisk(context, { dir, manifest, disk, signing }),
    ...{ secureBoot, restart: options.restart === true },
  }
  try {
    if (options.dryRun) {
      const foresight = await foreseePublish(request)
      context.print(options.json ? jsonText(foresight) : describeForesight(foresight))
    } else {
      const report = await publishImage(request)
      context.print(options.json ? jsonText(report) : describe(report))
    }
  } finally {
    // it can be made again, to the byte
    await rm(folder, { recursive: true, force: true })
  }
}

type Exported = Pick<
  Awaited<ReturnType<typeof import("./registry/read-image-folder.ts").readImageFolder>>,
  "dir" | "manifest"
> &
  Pick<SecureBootChoice, "signing"> & {
    readonly disk: string
  }

async function exportDisk(context: CliContext, { dir, manifest, disk, signing }: Exported): Promise<string> {
  const { home, progress, signal } = context
  const { exportImage } = await import("../builder/export-image.ts")
  const toolsDir = await findTools(home, "export")
  await exportImage({
    ...{ dir, manifest, signing, toolsDir, progress, signal, format: "raw", output: disk },
    firmwareVariables: null,
    logFile: join(home.cache, "logs", "publish-ec2.log"),
  })
  return disk
}

function describe({ imageId, region, created, snapshotId, parentSnapshotId, blocks }: PublishReport): string {
  if (!created) return `${imageId} in ${region}: it was there, and nothing was made\n`
  const lines = [
    `${imageId} in ${region}`,
    `  snapshot ${snapshotId}${parentSnapshotId ? `, over ${parentSnapshotId}` : ""}`,
  ]
  if (blocks !== null) {
    const { nonZero, sent, resumed } = blocks
    lines.push(`  ${nonZero} blocks of 512 KiB are not zero: ${sent} sent now, ${resumed} by an earlier run`)
  }
  return `${lines.join("\n")}\n`
}

function describeForesight({ region, imageId, calls, blocks }: Foresight): string {
  if (imageId !== null) return `${imageId} is there in ${region}: no call would be made\n`
  const shown = calls.map(({ call, times, parameters }, index) => {
    const count = times === 1 ? "" : ` × ${times}`
    return `${index + 1}. ${call}${count} ${jsonText(parameters)}`
  })
  const sum =
    blocks === null
      ? ""
      : `${blocks.toSend} of ${blocks.total} blocks, ${mebibytes(blocks.bytesToSend)}, would be sent; ${blocks.nonZero} are not zero\n`
  return `${shown.join("")}${sum}nothing was changed in ${region}\n`
}

function parseParallel(text: string): number {
  const blocks = Number(text)
  if (Number.isInteger(blocks) && blocks >= 1 && blocks <= 64) return blocks
  throw new InvalidArgumentError("Expected a number from 1 to 64.")
}
