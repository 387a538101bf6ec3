/** Makes a disk that UEFI firmware boots: GPT, a partition with the unified kernel image, one with the root. */

import { createHash } from "node:crypto"
import { mkdir, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Manifest } from "../../contract/manifest.ts"
import { runTool } from "../tools-tree.ts"
import { uuidOf } from "../uuid.ts"

export interface DiskRequest {
  readonly manifest: Pick<Manifest, "verity">
  /** The root with its hash tree. */
  readonly root: string
  readonly toolsDir: string
  /** Has `uki.efi`; the disk is made here. */
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

const MIB = 1_048_576
/** FAT32 wants 65,525 clusters, which is 32 MiB; the rest is room for a larger kernel. */
const SMALLEST_ESP_MIB = 64
/** 1980-01-01, the first that FAT knows; seconds since 1970. */
const EPOCH_SECONDS = 315_532_800

/** Leaves `disk.raw`, sparse; the same parts, the same bytes. */
export async function makeDisk(request: DiskRequest): Promise<void> {
  const { dir, manifest, root } = request
  const { root_hash: rootHash } = manifest.verity
  const uki = join(dir, "uki.efi")
  await utimes(uki, EPOCH_SECONDS, EPOCH_SECONDS)
  await mkdir(join(dir, "partitions"))
  const [esp, rootPartition] = renderPartitions(rootHash, (await stat(uki)).size)
  await writeFile(join(dir, "partitions", "10-esp.conf"), esp)
  await writeFile(join(dir, "partitions", "20-root.conf"), rootPartition)
  await runTool(request.toolsDir, {
    ...request,
    purpose: "the disk",
    workDir: dir,
    inputs: { root },
    command: [
      ...(["env", "TMPDIR=/work", `SOURCE_DATE_EPOCH=${EPOCH_SECONDS}`, "systemd-repart"] as const),
      ...["--offline=yes", "--empty=create", "--size=auto", "--dry-run=no", "--no-pager"],
      // by itself it makes the file system for sectors of 4096 bytes, which firmware cannot read from a disk with 512
      ...["--sector-size=512", "--definitions=/work/partitions", `--seed=${seedOf(rootHash)}`],
      "/work/disk.raw",
    ],
  })
}

/**
 * The root's id and name are the beginning of its hash: by the name the initramfs finds it. Hash tree and data are in
 * one partition, so it is no verity partition of the Discoverable Partitions Specification.
 */
function renderPartitions(rootHash: string, ukiBytes: number): [esp: string, root: string] {
  const espMib = Math.max(SMALLEST_ESP_MIB, Math.ceil(ukiBytes / MIB) + 8)
  const esp = [
    ...["Type=esp", "Label=stereo-esp", "Format=vfat"],
    ...[
      "CopyFiles=/work/uki.efi:/EFI/BOOT/BOOTX64.EFI",
      `SizeMinBytes=${espMib}M`,
      `SizeMaxBytes=${espMib}M`,
    ],
  ]
  const digits = rootHash.slice(0, 32)
  const id = digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
  const root = ["Type=root-x86-64", `Label=${digits}`, `UUID=${id}`, "CopyBlocks=/in/root", "ReadOnly=yes"]
  const render = (lines: readonly string[]) => `[Partition]\n${lines.join("\n")}\n`
  return [render(esp), render(root)]
}

/** From which the ids of the table, the other partition and its file system follow. */
function seedOf(rootHash: string): string {
  return uuidOf(createHash("sha256").update(`stereo disk ${rootHash}`).digest("hex"))
}
