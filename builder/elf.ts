/** Reads which shared libraries a 64-bit ELF file asks for, and where it looks for them. */

import { Fault } from "../contract/fault.ts"

const X86_64 = 62
const PT_LOAD = 1
const PT_DYNAMIC = 2
const DT_NEEDED = 1
const DT_STRTAB = 5
const DT_STRSZ = 10

/** The bytes from `at` on, fewer where the file ends. */
export type ReadAt = (at: number, sizeBytes: number) => Buffer

const HEADER_BYTES = 64

/**
 * Names of needed libraries; empty for what is not an ELF file for x86-64 or is static. Reads little of a large file.
 * Fault: `seal/bad-elf`, which names `path`.
 */
export function neededLibraries(path: string, read: ReadAt): string[] {
  const header = read(0, HEADER_BYTES)
  if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== 0x7f454c46) return []
  if (header[4] !== 2 || header[5] !== 1 || header.readUInt16LE(18) !== X86_64) return []
  const segments = readSegments(header, read)
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  if (!dynamic) return []
  const tags = readTags(read(dynamic.offset, dynamic.sizeBytes))
  const tagged = (wanted: number) => tags.find(({ tag }) => tag === wanted)?.value
  const table = tagged(DT_STRTAB)
  const load = segments.find(
    ({ type, address, sizeBytes }) =>
      type === PT_LOAD && table !== undefined && table >= address && table < address + sizeBytes,
  )
  if (table === undefined || !load) return []
  const start = table - load.address
  const strings = read(load.offset + start, Math.min(tagged(DT_STRSZ) ?? Infinity, load.sizeBytes - start))
  return tags.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => nameAt(path, strings, value))
}

function nameAt(path: string, strings: Buffer, at: number): string {
  const end = strings.indexOf(0, at)
  if (at < strings.length && end !== -1) return strings.toString("latin1", at, end)
  throw new Fault("seal/bad-elf", `${path} needs a library whose name lies beyond the end of its names`, {
    hint: "the file is damaged, or was made to be read in two ways: build it anew, or leave it out",
  })
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly sizeBytes: number
}

function readSegments(header: Buffer, read: ReadAt): Segment[] {
  const entryBytes = header.readUInt16LE(54)
  const count = header.readUInt16LE(56)
  const bytes = read(Number(header.readBigUInt64LE(32)), count * entryBytes)
  return Array.from({ length: count }, (_each, index) => {
    const at = index * entryBytes
    return {
      type: bytes.readUInt32LE(at),
      offset: Number(bytes.readBigUInt64LE(at + 8)),
      address: Number(bytes.readBigUInt64LE(at + 16)),
      sizeBytes: Number(bytes.readBigUInt64LE(at + 32)),
    }
  })
}

function readTags(section: Buffer): { tag: number; value: number }[] {
  return Array.from({ length: Math.floor(section.length / 16) }, (_each, index) => ({
    tag: Number(section.readBigInt64LE(index * 16)),
    value: Number(section.readBigUInt64LE(index * 16 + 8)),
  }))
}
