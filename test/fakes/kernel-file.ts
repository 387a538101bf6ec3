/** Files with the form of a kernel, compressed and not, and nothing that could run. */

/** A bzImage as far as the boot protocol goes: 4 setup sectors, then the payload and its unpacked size. */
export function renderBzImage(payload: Buffer): Buffer {
  const setup = Buffer.alloc(5 * 512 + 0x600)
  setup.writeUInt8(4, 0x1f1)
  setup.write("HdrS", 0x202, "latin1")
  setup.writeUInt32LE(0x600, 0x248)
  setup.writeUInt32LE(payload.length + 4, 0x24c)
  return Buffer.concat([setup, payload, Buffer.alloc(4)])
}

export interface Part {
  readonly address: bigint
  readonly bytes: Buffer
}

export function renderElf(parts: readonly Part[]): Buffer {
  const header = Buffer.alloc(64)
  header.writeUInt32BE(0x7f454c46, 0)
  header.writeUInt8(2, 4)
  header.writeUInt8(1, 5)
  header.writeBigUInt64LE(64n, 32)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(parts.length, 56)
  let offset = 64 + parts.length * 56
  const programs = parts.map(({ address, bytes }) => {
    const program = Buffer.alloc(56)
    program.writeUInt32LE(1, 0)
    program.writeBigUInt64LE(BigInt(offset), 8)
    program.writeBigUInt64LE(address, 24)
    program.writeBigUInt64LE(BigInt(bytes.length), 32)
    program.writeBigUInt64LE(BigInt(bytes.length), 40)
    offset += bytes.length
    return program
  })
  return Buffer.concat([header, ...programs, ...parts.map(({ bytes }) => bytes)])
}
