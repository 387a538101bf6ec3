/** Keeps a console log from filling the disk: a hostile guest can write to its serial port without end. */

import { constants, open } from "node:fs/promises"

const LONGEST_BYTES = 16 * 1024 * 1024
const KEPT_BYTES = 1024 * 1024

/** Beyond 16 MiB, the first and the last half MiB are kept. QEMU appends, so its writing goes on at the new end. */
export async function shortenConsole(path: string): Promise<void> {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch((thrown: unknown) => {
    if (thrown instanceof Error && "code" in thrown && /ENOENT|ELOOP/.test(String(thrown.code))) return null
    throw thrown
  })
  if (file === null) return
  await using _owned = file
  const found = await file.stat()
  if (!found.isFile() || found.size <= LONGEST_BYTES) return
  const half = KEPT_BYTES / 2
  const tail = await file.read(Buffer.alloc(half), 0, half, found.size - half)
  const mark = Buffer.from(`\n[stereo: ${found.size - KEPT_BYTES} bytes left out here]\n`)
  await file.truncate(half)
  await file.write(Buffer.concat([mark, tail.buffer.subarray(0, tail.bytesRead)]), 0, null, half)
}
