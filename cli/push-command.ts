/** `stereo push IMAGE REFERENCE`: an image into an OCI registry. */

import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import { mebibytes } from "../contract/mebibytes.ts"
import type { PushReport } from "../publish/oci/push-image.ts"
import type { CliContext } from "./context.ts"
import { printTable } from "./print-table.ts"
import {
  addRegistryOptions,
  openRegistry,
  REGISTRY_HELP,
  type RegistryOptions,
} from "./registry/open-registry.ts"
import { readImageFolder } from "./registry/read-image-folder.ts"

interface PushOptions extends RegistryOptions {
  readonly mountFrom?: string
  readonly json?: boolean
}

const HELP = `
What the registry has already is not sent again, and an upload that was interrupted goes on where the registry has it.
Without a tag the image is known by its digest only. The same image always gets the same digest.
${REGISTRY_HELP}

Example:
  $ stereo push base registry.example/team/base:1`

export function addPushCommand(program: Command, context: CliContext): void {
  const command = program
    .command("push")
    .description("push an image, with its signature, into an OCI registry")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .argument("<reference>", "HOST[:PORT]/REPOSITORY[:TAG]")
    .option(
      "--mount-from <repository>",
      "another repository of the registry that may hold parts of it already",
    )
  addRegistryOptions(command)
    .addHelpText("after", HELP)
    .action((image: string, text: string, options: PushOptions) => push(context, image, text, options))
}

async function push(context: CliContext, image: string, text: string, options: PushOptions): Promise<void> {
  const { home, progress, signal, now } = context
  const { parseReference } = await import("../publish/oci/reference.ts")
  const { pushImage } = await import("../publish/oci/push-image.ts")
  const reference = parseReference(text)
  if (reference.digest !== null) {
    throw new Fault(
      "push/digest-given",
      `${text}: an image's digest follows from what it is, and cannot be given`,
      {
        hint: "leave @sha256:… away; the report says it",
      },
    )
  }
  const folder = await readImageFolder(context, image)
  const workDir = join(home.cache, "oci")
  await mkdir(workDir, { recursive: true })
  await using registry = await openRegistry(context, reference, options)
  const report = await pushImage({
    ...{ client: registry.client, image: folder, reference, workDir, progress, signal, now },
    mountFrom: options.mountFrom ?? null,
    parallel: options.parallel,
  })
  context.print(options.json ? jsonText({ image: folder.digest, ...report }) : describe(report))
}

function describe({ pinned, blobs }: PushReport): string {
  const rows = blobs.map(({ name, how, sizeBytes, sentBytes, resumedAt }) => [
    `  ${name}`,
    size(sizeBytes),
    how === "sent" ? `${size(sentBytes)} sent${resumedAt > 0 ? `, on from ${size(resumedAt)}` : ""}` : how,
  ])
  return `${printTable(["", "", ""], rows).replace(/^\n/, "")}pull it with: stereo pull ${pinned}\n`
}

function size(bytes: number): string {
  return bytes < 1_048_576 ? `${(bytes / 1024).toFixed(1)} KiB` : mebibytes(bytes)
}
