/** The end of a log that a hostile guest or QEMU may have written. */

import { constants, type FileHandle, open } from "node:fs/promises"

/** At most `maxBytes` of its end, as it is; empty if it is not there or is no plain file. */
export async function readTailText(path: string, maxBytes: number): Promise<string> {
  const file = await openPlainFile(path)
  if (file === null) return ""
  await using _owned = file
  const { size } = await file.stat()
  const length = Math.min(size, maxBytes)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
  return buffer.subarray(0, bytesRead).toString("utf8")
}

/** Opens without following a link or waiting on a pipe; null if there is nothing to read. */
export async function openPlainFile(path: string): Promise<FileHandle | null> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch((thrown: unknown) => {
    if (thrown instanceof Error && "code" in thrown && /ENOENT|ELOOP/.test(String(thrown.code))) return null
    throw thrown
  })
  if (file === null || (await file.stat()).isFile()) return file
  await file.close()
  return null
}

/** Without control characters, so that a guest cannot write escape sequences to the reader's terminal. */
export function printable(text: string): string {
  const ESC = String.fromCharCode(27)
  return text
    .replace(/\r\n?/g, "\n")
    .replaceAll(new RegExp(`${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}[@-Z\\\\-_]`, "g"), "")
    .replace(/[^\n\t\x20-\x7e\u00a0-\u{10ffff}]/gu, "·")
}
