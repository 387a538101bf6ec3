/** Reads a capture of Ethernet frames as QEMU's filter-dump writes it; every frame in it is a guest's. Pure. */

import { Fault } from "../../contract/fault.ts"

/** Longer than any frame that the card takes; what says more of itself is not a frame. */
const MAX_FRAME_BYTES = 262_144
const HEADER_BYTES = 24
const RECORD_BYTES = 16

/** Fault: `attack/bad-capture`. A record that is not complete yet is left for the next reading. */
export function readPcap(bytes: Buffer): readonly Buffer[] {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== 0xa1b2c3d4 || bytes.readUInt32LE(20) !== 1) {
    throw new Fault(
      "attack/bad-capture",
      "QEMU's capture of the wire does not begin as one of Ethernet frames",
    )
  }
  const frames: Buffer[] = []
  for (let at = HEADER_BYTES; at + RECORD_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8)
    if (length > MAX_FRAME_BYTES) {
      throw new Fault("attack/bad-capture", `a frame of ${length} bytes stands in QEMU's capture of the wire`)
    }
    const end = at + RECORD_BYTES + length
    if (end > bytes.length) break
    frames.push(bytes.subarray(at + RECORD_BYTES, end))
    at = end
  }
  return frames
}
