/** Prints a log that may still grow. */

import { setTimeout as delay } from "node:timers/promises"
import { openPlainFile, printable } from "./read-tail-text.ts"

export interface FollowRequest {
  readonly path: string
  /** Go on until the file is gone or the signal. */
  readonly follow: boolean
  readonly print: (text: string) => void
  readonly signal: AbortSignal
}

const CHUNK_BYTES = 256 * 1024
const POLL_MS = 200

export async function followLog({ path, follow, print, signal }: FollowRequest): Promise<void> {
  let position = 0
  while (!signal.aborted) {
    const chunk = await readFrom(path, position)
    // a log that was shortened begins anew
    position = chunk.shortened ? 0 : position + chunk.bytes.length
    if (chunk.bytes.length > 0) print(printable(chunk.bytes.toString("utf8")))
    else if (!follow || chunk.gone) return
    else if (!chunk.shortened) await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function readFrom(path: string, position: number) {
  const nothing = { bytes: Buffer.alloc(0), shortened: false, gone: true }
  const file = await openPlainFile(path)
  if (file === null) return nothing
  await using _owned = file
  const { size } = await file.stat()
  if (size < position) return { ...nothing, shortened: true, gone: false }
  const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position)
  return { bytes: buffer.subarray(0, bytesRead), shortened: false, gone: false }
}
