/** Takes the uncompressed kernel out of a bzImage: it starts by its PVH entry, about a second sooner under TCG. */

import { gunzipSync, zstdDecompressSync } from "node:zlib"
import { Fault, reasonOf } from "./fault.ts"

const SETUP_SECTS = 0x1f1
const MAGIC = { offset: 0x202, text: "HdrS" }
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c

/** The ELF file inside; offsets are those of Linux's x86 boot protocol 2.08 and later. */
export function extractVmlinux(image: Buffer): Buffer {
  if (image.length < 0x1000 || image.toString("latin1", MAGIC.offset, MAGIC.offset + 4) !== MAGIC.text) {
    throw new Fault(
      "kernel/not-a-kernel",
      "the kernel package's file is not a bzImage: it has no HdrS header",
    )
  }
  const setupSectors = image.readUInt8(SETUP_SECTS) || 4
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(PAYLOAD_OFFSET)
  const length = image.readUInt32LE(PAYLOAD_LENGTH)
  if (start + length > image.length) {
    throw new Fault("kernel/cut-kernel", "the kernel file ends before its payload: it was cut short")
  }
  // The last four bytes of the payload are the unpacked size, after the compressed data.
  const elf = decompress(image.subarray(start, start + length - 4), image.subarray(start, start + length))
  if (elf.readUInt32BE(0) === 0x7f454c46) return elf
  throw new Fault("kernel/not-an-elf", "the kernel's payload did not unpack to an ELF file")
}

function decompress(withoutSize: Buffer, whole: Buffer): Buffer {
  try {
    if (whole.readUInt32BE(0) === 0x28b52ffd) return zstdDecompressSync(withoutSize)
    if (whole.readUInt16BE(0) === 0x1f8b) return gunzipSync(whole)
  } catch (cause) {
    throw new Fault("kernel/bad-kernel", `the kernel's payload does not unpack: ${reasonOf(cause)}`, {
      cause,
    })
  }
  throw new Fault("kernel/unknown-compression", "the kernel's payload is neither zstd nor gzip", {
    hint: "name a Debian kernel package of trixie under [boot]",
  })
}
