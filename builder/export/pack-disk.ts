/** Packs a raw disk for transport: as qcow2, and with zstd. */

import { rm } from "node:fs/promises"
import { join } from "node:path"
import { runTool } from "../tools-tree.ts"

interface PackRequest {
  readonly toolsDir: string
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

/** Makes `disk.qcow2` of `disk.raw`, compressed so that every QEMU since 2006 reads it. */
export async function packQcow2(request: PackRequest): Promise<void> {
  await runTool(request.toolsDir, {
    ...request,
    purpose: "the qcow2 disk",
    workDir: request.dir,
    command: ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "/work/disk.raw", "/work/disk.qcow2"],
  })
  await rm(join(request.dir, "disk.raw"))
}

/** Makes `FILE.zst` of a file; its bytes do not depend on how many processors there are. */
export async function packZstd(file: string, request: PackRequest): Promise<void> {
  await runTool(request.toolsDir, {
    ...request,
    purpose: "the zstd file",
    workDir: request.dir,
    command: ["zstd", "-q", "-T0", "-9", "--rm", `/work/${file}`, "-o", `/work/${file}.zst`],
  })
}
