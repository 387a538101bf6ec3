/** `stereo pull REFERENCE@sha256:DIGEST`: an image out of an OCI registry. */

import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import { mebibytes } from "../contract/mebibytes.ts"
import type { PulledImage } from "../publish/oci/pull-image.ts"
import { type ImageReference, renderPinned } from "../publish/oci/reference.ts"
import type { CliContext } from "./context.ts"
import {
  addRegistryOptions,
  openRegistry,
  REGISTRY_HELP,
  type RegistryOptions,
} from "./registry/open-registry.ts"

interface PullOptions extends RegistryOptions {
  readonly as?: string
  readonly nameless?: boolean
  readonly allowTag?: boolean
  readonly json?: boolean
}

const HELP = `
The signature is checked first, by the keys of \`stereo keys\`; until it is good nothing but the manifests is fetched.
Every file is then checked against what was signed, and only the whole image comes among the others. A pull that was
interrupted goes on where it ended. The image gets the name that it was signed under, and no other.
${REGISTRY_HELP}

Examples:
  $ stereo pull registry.example/team/base:1@sha256:DIGEST
  $ stereo pull registry.example/team/base:1 --allow-tag --json`

export function addPullCommand(program: Command, context: CliContext): void {
  const command = program
    .command("pull")
    .description("pull an image out of an OCI registry, by its digest, and verify it")
    .argument("<reference>", "HOST[:PORT]/REPOSITORY[:TAG]@sha256:DIGEST")
    .option("--as <name>", "refuse the image unless it was signed under this name")
    .option("--nameless", "let no name mean it: it is known by its digest")
    .option("--allow-tag", "take whatever the tag means now; the report says the digest to pin")
  addRegistryOptions(command)
    .addHelpText("after", HELP)
    .action((text: string, options: PullOptions) => pull(context, text, options))
}

async function pull(context: CliContext, text: string, options: PullOptions): Promise<void> {
  const { home, progress, signal, now } = context
  const { parseReference } = await import("../publish/oci/reference.ts")
  const { pullImage } = await import("../publish/oci/pull-image.ts")
  const { readTrustedKeys } = await import("../trust/trusted-keys.ts")
  const { openBuildLock } = await import("../builder/build-lock.ts")
  const { adoptImage } = await import("../builder/adopt-image.ts")
  const { storedName } = await import("../contract/image-name.ts")
  const reference = parseReference(text)
  refuseUnpinned(reference, text, options)
  const keys = await readTrustedKeys(home)
  const imagesDir = join(home.images, "by-digest")
  await mkdir(imagesDir, { recursive: true })
  await using registry = await openRegistry(context, reference, options)
  const hold = (dir: string) =>
    progress.step("Waiting for its folder", (note) =>
      openBuildLock(dir, (holder) => note(`held by ${holder}`), signal),
    )
  const request = { client: registry.client, reference, keys, imagesDir, hold, progress, signal, now }
  const name = options.as ?? null
  const pulled = await pullImage({ ...request, name, parallel: options.parallel }, async (work, image) => {
    const { digest, manifest } = image
    const called = options.nameless ? null : storedName(manifest)
    const dir = await adoptImage(home, work, { digest, name: called })
    return { ...image, dir, name: called }
  })
  const pinned = renderPinned(reference, pulled.artifactDigest)
  context.print(options.json ? jsonText(toJson(pulled, pinned)) : describe(pulled, pinned))
}

/** A tag may mean another image tomorrow, and whoever may write to the registry decides which. */
function refuseUnpinned({ digest }: ImageReference, text: string, { allowTag }: PullOptions): void {
  if (digest !== null || allowTag) return
  throw new Fault("pull/not-pinned", `${text} names no digest, so that the registry decides what it is`, {
    hint: "add @sha256:… as `stereo push` printed it, or take what the tag means now with --allow-tag",
  })
}

type Pulled = PulledImage & { readonly dir: string; readonly name: string | null }

function toJson({ artifactDigest, digest, dir, name, vouchers, files, manifest }: Pulled, pinned: string) {
  return { name, digest, dir, artifactDigest, pinned, rootHash: manifest.verity.root_hash, vouchers, files }
}

function describe({ digest, dir, name, vouchers, files }: Pulled, pinned: string): string {
  const received = files.reduce((sum, file) => sum + file.receivedBytes, 0)
  const signers = vouchers.map((voucher) =>
    voucher.kind === "key" ? `key ${voucher.name} (${voucher.id.slice(0, 16)})` : voucher.identity,
  )
  return [
    `${name ?? "(no name)"} ${digest.slice(0, 12)}  signed by ${signers.join(", ")}; ${files.length} files, ${mebibytes(received)} received`,
    `pinned: ${pinned}`,
    `in ${dir}`,
    "",
  ].join("\n")
}
