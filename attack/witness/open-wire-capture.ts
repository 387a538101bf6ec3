/** A capture of all that crosses QEMU's wire, both ways, before its network has looked at it. */

import { constants } from "node:fs"
import { open, rm } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { readPcap } from "./read-pcap.ts"

export interface WireCapture extends AsyncDisposable {
  /** The frames so far. */
  read(): Promise<readonly Buffer[]>
}

export interface WireCaptureRequest {
  readonly qmp: (execute: string, args: Readonly<Record<string, unknown>>) => Promise<void>
  /** The folder that QEMU may write, on the host and as its sandbox shows it. */
  readonly vmDir: string
  readonly insideDir: string
  readonly id: string
}

/** Above this a guest floods the capture; what came before stays readable. */
const MAX_BYTES = 256 * 1024 * 1024

/** Disposing takes the filter out of QEMU and the file away. */
export async function openWireCapture({
  qmp,
  vmDir,
  insideDir,
  id,
}: WireCaptureRequest): Promise<WireCapture> {
  const name = `${id}.pcap`
  const path = join(vmDir, name)
  await qmp("object-add", { "qom-type": "filter-dump", id, netdev: "net", file: `${insideDir}/${name}` })
  return {
    read: async () => readPcap(await readGuarded(path)),
    async [Symbol.asyncDispose]() {
      await qmp("object-del", { id })
      await rm(path, { force: true })
    },
  }
}

/** QEMU could put anything at that path: a link is not followed, and only so much is read. */
async function readGuarded(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const found = await file.stat()
    if (!found.isFile()) throw new Fault("attack/bad-capture", `${path} is not a file`)
    const bytes = Buffer.alloc(Math.min(found.size, MAX_BYTES))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
