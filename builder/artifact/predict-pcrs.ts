/** What the firmware and systemd's stub will have measured into a TPM when a unified kernel image has booted. */

import { extendPcr, sha256 } from "../extend-pcr.ts"
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
/** By PCR number, of the bank sha256, in hex; with Secure Boot on. */
export function predictPcrs(uki: Buffer): Record<"4" | "11" | "12", string> {
  return { "4": predictPcr4([uki]), "11": predictPcr11(uki), "12": extendPcr([]) }
}

/** What is otherwise with Secure Boot off: the firmware measures the kernel that the stub starts, too. Fault: `artifact/not-a-pe`. */
export function predictPcrsWithoutSecureBoot(uki: Buffer): Record<"4", string> {
  const kernel = readPeSections(uki).find(({ name }) => name === ".linux")
  return { "4": predictPcr4(kernel === undefined ? [uki] : [uki, kernel.bytes]) }
}

/**
 * The programs that the firmware loaded (TCG PC Client Platform Firmware Profile 1.05, section 3.3.4.5). The kernel is
 * not among them while Secure Boot is on: the stub then vouches for it and the firmware does not measure it.
 */
function predictPcr4(programs: readonly Buffer[]): string {
  return extendPcr([
    sha256("Calling EFI Application from Boot Option"),
    sha256(Buffer.alloc(4)),
    ...programs.map((program) => Buffer.from(authenticodeSha256(program), "hex")),
  ])
}

function predictPcr11(uki: Buffer): string {
  const sections = new Map(readPeSections(uki).map(({ name, bytes }) => [name, bytes]))
  return extendPcr(
    MEASURED_SECTIONS.flatMap((name) => {
      const bytes = sections.get(name)
      return bytes === undefined ? [] : [sha256(`${name}\0`), sha256(bytes)]
    }),
  )
}
