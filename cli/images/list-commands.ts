/** `stereo images ls|show`: the finished images. */

import type { Command } from "commander"
import type { StoredImage, UnreadableImage } from "../../builder/image-store.ts"
import { jsonText } from "../../contract/json-text.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import type { CliContext } from "../context.ts"
import { printTable } from "../print-table.ts"

export function addListCommands(images: Command, context: CliContext): void {
  images
    .command("ls", { isDefault: true })
    .description("list the finished images")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo images ls")
    .action(async (options: { json?: boolean }) => {
      const { listImages } = await import("../../builder/image-store.ts")
      const { images, unreadable } = await listImages(context.home)
      const rows = [...images.map(toRow), ...unreadable.map(toUnreadableRow)]
      context.print(options.json ? jsonText(rows) : renderList(images, unreadable))
    })
  images
    .command("show")
    .description("show what a finished image says of itself")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .option("--json", "print as JSON, packages included")
    .addHelpText("after", "\nExample:\n  $ stereo images show base")
    .action(async (reference: string, options: { json?: boolean }) => {
      const { readImage } = await import("../../builder/image-store.ts")
      const image = await readImage(context.home, reference)
      const document = { ...toRow(image), dir: image.dir, manifest: image.manifest }
      context.print(options.json ? jsonText(document) : renderImage(image))
    })
}

function toRow({ name, digest, sizeBytes, manifest }: StoredImage) {
  return {
    name,
    profile: manifest.profile,
    digest,
    sizeBytes,
    plan: manifest.plan,
    rootHash: manifest.verity.root_hash,
    kernel: manifest.kernel.version,
    packages: manifest.packages.length,
  }
}

function toUnreadableRow({ name, digest, fault }: UnreadableImage) {
  return { name, digest, unreadable: fault.message, hint: fault.hint }
}

function renderList(images: readonly StoredImage[], unreadable: readonly UnreadableImage[]): string {
  const notes = unreadable.map(
    ({ name, fault }) => `${name} cannot be read: ${fault.message}\n  ${fault.hint}\n`,
  )
  if (images.length === 0) {
    return notes.join("") || "no image is built yet; `stereo build base` builds one\n"
  }
  const table = printTable(
    ["NAME", "PROFILE", "DIGEST", "SIZE", "KERNEL", "PACKAGES"],
    images.map(({ name, digest, sizeBytes, manifest }) => [
      name,
      manifest.profile,
      digest.slice(0, 12),
      mebibytes(sizeBytes),
      manifest.kernel.version,
      String(manifest.packages.length),
    ]),
  )
  return table + notes.join("")
}

function renderImage({ name, digest, dir, sizeBytes, manifest }: StoredImage): string {
  const { files, verity, kernel, resources, egress, env, packages } = manifest
  const rows = [
    ["digest", digest],
    ["profile", manifest.profile],
    ["plan", manifest.plan],
    ["root hash", verity.root_hash],
    ["size", mebibytes(sizeBytes)],
    ...[files.kernel, files.initramfs, files.root].map((file) => {
      return [file.name, `${mebibytes(file.size_bytes)}  sha256 ${file.sha256}`]
    }),
    ["kernel", kernel.version],
    ["command line", kernel.command_line],
    [
      "resources",
      `${resources.cpus} CPUs, ${resources.memory_mib} MiB memory, ${resources.disk_mib} MiB disk`,
    ],
    ["may reach", egress.sets.join(", ") || "nothing"],
    [
      "environment",
      Object.entries(env)
        .map((pair) => pair.join("="))
        .join(" ") || "nothing",
    ],
    ["packages", packages.map((each) => `${each.name} ${each.version}`).join(", ")],
    ["folder", dir],
  ]
  return `${name}\n${printTable(["", ""], rows).replace(/^\n/, "")}`
}
