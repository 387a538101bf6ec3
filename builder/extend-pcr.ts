/** How a TPM's register comes to its value: each digest is hashed together with what the register held. */

import { createHash } from "node:crypto"

/** The register of the bank sha256 after these digests, from zero, in hex. */
export function extendPcr(digests: readonly Buffer[]): string {
  return digests
    .reduce((pcr, digest) => sha256(Buffer.concat([pcr, digest])), Buffer.alloc(32))
    .toString("hex")
}

export function sha256(data: Buffer | string): Buffer {
  return createHash("sha256").update(data).digest()
}
