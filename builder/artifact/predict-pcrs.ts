/** What the firmware and systemd's stub will have measured into a TPM when a unified kernel image has booted. */

import { createHash } from "node:crypto"
import { authenticodeSha256, readPeSections } from "./pe-file.ts"

/** What systemd-stub(7) measures into PCR 11, in its order; each section as its name with a zero byte, then its bytes. */
const MEASURED_SECTIONS = [
  ".linux",
  ".osrel",
  ".cmdline",
  ".initrd",
  ".ucode",
  ".splash",
  ".dtb",
  ".uname",
  ".sbat",
  ".pcrpkey",
]
/** Nothing was measured. */
const EMPTY = Buffer.alloc(32)

/** By PCR number, of the bank sha256, in hex. */
export function predictPcrs(uki: Buffer): Record<"4" | "11" | "12", string> {
  return { "4": predictPcr4(uki), "11": predictPcr11(uki), "12": EMPTY.toString("hex") }
}

/** TCG PC Client Platform Firmware Profile 1.05, section 3.3.4.5: the programs that the firmware loaded. */
function predictPcr4(uki: Buffer): string {
  const kernel = readPeSections(uki).find(({ name }) => name === ".linux")
  return extendAll([
    sha256("Calling EFI Application from Boot Option"),
    sha256(Buffer.alloc(4)),
    Buffer.from(authenticodeSha256(uki), "hex"),
    ...(kernel === undefined ? [] : [Buffer.from(authenticodeSha256(kernel.bytes), "hex")]),
  ])
}

function predictPcr11(uki: Buffer): string {
  const sections = new Map(readPeSections(uki).map(({ name, bytes }) => [name, bytes]))
  return extendAll(
    MEASURED_SECTIONS.flatMap((name) => {
      const bytes = sections.get(name)
      return bytes === undefined ? [] : [sha256(`${name}\0`), sha256(bytes)]
    }),
  )
}

function extendAll(digests: readonly Buffer[]): string {
  return digests.reduce((pcr, digest) => sha256(Buffer.concat([pcr, digest])), EMPTY).toString("hex")
}

function sha256(data: Buffer | string): Buffer {
  return createHash("sha256").update(data).digest()
}
