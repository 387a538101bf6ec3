/** Ids that sort by time: 48 bits of milliseconds and 80 random bits as 26 characters of base 32. */

import { randomBytes } from "node:crypto"

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

/** A new id, in the ULID layout but lower-case. `nowMs` is the caller's clock. */
export function newIdentifier(nowMs: number): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  randomBytes(10).copy(bytes, 6)
  let value = BigInt(`0x${bytes.toString("hex")}`)
  let text = ""
  for (let index = 0; index < 26; index += 1) {
    text = ALPHABET[Number(value & 31n)] + text
    value >>= 5n
  }
  return text
}
