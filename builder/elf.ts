/** Reads which shared libraries a 64-bit ELF file asks for, and where it looks for them. */

const X86_64 = 62
const PT_LOAD = 1
const PT_DYNAMIC = 2
const DT_NEEDED = 1
const DT_STRTAB = 5

/** Names of needed libraries; empty for what is not an ELF file for x86-64 or is static. */
export function neededLibraries(bytes: Buffer): string[] {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return []
  if (bytes.readUInt16LE(18) !== X86_64) return []
  const segments = readSegments(bytes)
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  if (!dynamic) return []
  const tags = readTags(bytes.subarray(dynamic.offset, dynamic.offset + dynamic.sizeBytes))
  const table = tags.find(({ tag }) => tag === DT_STRTAB)
  const load = segments.find(
    ({ type, address, sizeBytes }) =>
      type === PT_LOAD && table && table.value >= address && table.value < address + sizeBytes,
  )
  if (!table || !load) return []
  const strings = load.offset + table.value - load.address
  return tags
    .filter(({ tag }) => tag === DT_NEEDED)
    .map(({ value }) => bytes.toString("latin1", strings + value, bytes.indexOf(0, strings + value)))
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly sizeBytes: number
}

function readSegments(bytes: Buffer): Segment[] {
  const start = Number(bytes.readBigUInt64LE(32))
  const entryBytes = bytes.readUInt16LE(54)
  const count = bytes.readUInt16LE(56)
  return Array.from({ length: count }, (_each, index) => {
    const at = start + index * entryBytes
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
