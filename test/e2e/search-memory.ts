/** Searches all memory of a process, as the host's kernel shows it: for a virtual machine, the guest's memory too. */

import { closeSync, openSync, readFileSync, readSync } from "node:fs"

const CHUNK_BYTES = 8 * 1024 * 1024

/** How often each text stands in the process's readable memory. The host's root may ask; ends are overlapped. */
export function searchMemory(pid: number, texts: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map(texts.map((text) => [text, 0]))
  const overlap = Math.max(...texts.map((text) => text.length)) - 1
  const memory = openSync(`/proc/${pid}/mem`, "r")
  try {
    for (const [start, end] of readableRanges(pid)) {
      for (let at = start; at < end; at += CHUNK_BYTES) {
        const bytes = readAt(memory, at, Math.min(CHUNK_BYTES + overlap, end - at))
        for (const text of texts) found.set(text, (found.get(text) ?? 0) + count(bytes, text))
      }
    }
  } finally {
    closeSync(memory)
  }
  return found
}

function readableRanges(pid: number): (readonly [number, number])[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").trim().split("\n")
  return lines.flatMap((line) => {
    const [, from, to, rights] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
    if (!rights?.startsWith("r") || line.endsWith("[vvar]") || line.endsWith("[vsyscall]")) return []
    return [[Number.parseInt(from ?? "", 16), Number.parseInt(to ?? "", 16)] as const]
  })
}

/** Pages that vanish between the list and the read hold nothing to find. */
function readAt(memory: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  try {
    return bytes.subarray(0, readSync(memory, bytes, 0, length, at))
  } catch (thrown) {
    if (thrown instanceof Error && /EIO|EFAULT/.test(thrown.message)) return Buffer.alloc(0)
    throw thrown
  }
}

function count(bytes: Buffer, text: string): number {
  let seen = 0
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) seen += 1
  return seen
}
