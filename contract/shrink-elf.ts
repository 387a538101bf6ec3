/** Writes a kernel's ELF file again with nothing but what a boot loader reads: no zeros at the end of segments. */

const HEADER_BYTES = 64
const PROGRAM_HEADER_BYTES = 56
const PT_LOAD = 1
const PT_NOTE = 4
const ALIGN_BYTES = 4096

interface Segment {
  readonly header: Buffer
  readonly bytes: Buffer
}

/**
 * Memory that a segment has beyond its bytes in the file reads as zero, so zeros at its end need no place there;
 * sections are for linkers and debuggers. Addresses, entry and the PVH note stay as they were.
 */
export function shrinkElf(elf: Buffer): Buffer {
  const segments = readSegments(elf)
  const placed: Buffer[] = []
  const headers: Buffer[] = []
  let offset = align(HEADER_BYTES + segments.length * PROGRAM_HEADER_BYTES)
  for (const { header, bytes } of segments) {
    header.writeBigUInt64LE(BigInt(offset), 8)
    header.writeBigUInt64LE(BigInt(bytes.length), 32)
    headers.push(header)
    const padded = Buffer.alloc(align(bytes.length))
    bytes.copy(padded)
    placed.push(padded)
    offset += padded.length
  }
  const start = Buffer.alloc(align(HEADER_BYTES + segments.length * PROGRAM_HEADER_BYTES))
  renderHeader(elf, segments.length).copy(start)
  Buffer.concat(headers).copy(start, HEADER_BYTES)
  return Buffer.concat([start, ...placed])
}

function readSegments(elf: Buffer): Segment[] {
  const start = Number(elf.readBigUInt64LE(32))
  return Array.from({ length: elf.readUInt16LE(56) }, (_each, index) => {
    const header = Buffer.from(
      elf.subarray(start + index * PROGRAM_HEADER_BYTES, start + (index + 1) * PROGRAM_HEADER_BYTES),
    )
    const from = Number(header.readBigUInt64LE(8))
    const bytes = elf.subarray(from, from + Number(header.readBigUInt64LE(32)))
    return { header, bytes: header.readUInt32LE(0) === PT_LOAD ? withoutZeros(bytes) : bytes }
  }).filter(({ header }) => [PT_LOAD, PT_NOTE].includes(header.readUInt32LE(0)))
}

function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  return bytes.subarray(0, end)
}

function renderHeader(elf: Buffer, segments: number): Buffer {
  const header = Buffer.from(elf.subarray(0, HEADER_BYTES))
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 32)
  header.writeBigUInt64LE(0n, 40)
  header.writeUInt16LE(segments, 56)
  header.fill(0, 58, 64)
  return header
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES
}
