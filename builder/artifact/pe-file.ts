/** Reads a PE/COFF file as UEFI firmware does: its sections, and the hash that a signature is made over. */

import { createHash } from "node:crypto"
import { Fault } from "../../contract/fault.ts"

export interface PeSection {
  readonly name: string
  /** As it lies in memory: without what pads it in the file. */
  readonly bytes: Buffer
}

interface Layout {
  /** Offset of the optional header. */
  readonly optional: number
  readonly headersBytes: number
  readonly sections: readonly { name: string; sizeBytes: number; rawBytes: number; rawOffset: number }[]
  readonly certificateBytes: number
}

const PE32_PLUS = 0x20b
/** Offsets in the optional header of PE32+ (PE Format, section 3.4). */
const OPTIONAL = { headersBytes: 60, checksum: 64, certificates: 144 } as const
const SECTION_BYTES = 40

/** In the order of the file. Fault: `artifact/not-a-pe`. */
export function readPeSections(file: Buffer): PeSection[] {
  return readLayout(file).sections.map(({ name, sizeBytes, rawBytes, rawOffset }) => {
    const present = Math.min(sizeBytes, rawBytes)
    const bytes = Buffer.alloc(sizeBytes)
    file.copy(bytes, 0, rawOffset, rawOffset + present)
    return { name, bytes }
  })
}

/**
 * Authenticode's hash, as sha256 in hex: all bytes but the checksum and the signature with its place, so that it is
 * the same before and after signing. Windows Authenticode Portable Executable Signature Format, "Calculating the PE
 * Image Hash".
 */
export function authenticodeSha256(file: Buffer): string {
  const { optional, headersBytes, sections, certificateBytes } = readLayout(file)
  const hash = createHash("sha256")
  const checksum = optional + OPTIONAL.checksum
  const certificates = optional + OPTIONAL.certificates
  hash.update(file.subarray(0, checksum))
  hash.update(file.subarray(checksum + 4, certificates))
  hash.update(file.subarray(certificates + 8, headersBytes))
  let end = headersBytes
  for (const { rawBytes, rawOffset } of sections.toSorted((a, b) => a.rawOffset - b.rawOffset)) {
    hash.update(file.subarray(rawOffset, rawOffset + rawBytes))
    end += rawBytes
  }
  hash.update(file.subarray(end, file.length - certificateBytes))
  return hash.digest("hex")
}

function readLayout(file: Buffer): Layout {
  try {
    const header = file.readUInt32LE(0x3c)
    const optional = header + 24
    if (file.toString("latin1", header, header + 4) !== "PE\0\0") throw notPe("it has no PE header")
    if (file.readUInt16LE(optional) !== PE32_PLUS) throw notPe("it is not for 64-bit firmware")
    const first = optional + file.readUInt16LE(header + 20)
    const sections = Array.from({ length: file.readUInt16LE(header + 6) }, (_each, index) => {
      const at = first + index * SECTION_BYTES
      return {
        name: file.toString("latin1", at, at + 8).replace(/\0+$/, ""),
        sizeBytes: file.readUInt32LE(at + 8),
        rawBytes: file.readUInt32LE(at + 16),
        rawOffset: file.readUInt32LE(at + 20),
      }
    })
    if (sections.some(({ rawBytes, rawOffset }) => rawOffset + rawBytes > file.length))
      throw notPe("it ends before its sections do")
    return {
      optional,
      sections: sections.filter(({ rawBytes }) => rawBytes > 0),
      headersBytes: file.readUInt32LE(optional + OPTIONAL.headersBytes),
      certificateBytes: file.readUInt32LE(optional + OPTIONAL.certificates + 4),
    }
  } catch (thrown) {
    if (thrown instanceof RangeError) throw notPe("it ends before its headers do")
    throw thrown
  }
}

function notPe(reason: string): Fault {
  return new Fault("artifact/not-a-pe", `this is no program for UEFI firmware: ${reason}`)
}
