/** Public keys: Ed25519, as PEM, known by the sha256 of their SPKI. */

import { createHash, createPublicKey, type KeyObject } from "node:crypto"
import { Fault } from "../contract/fault.ts"

export interface PublicKey {
  /** What people call it: the file's name, or `own`. */
  readonly name: string
  /** sha256 of the SPKI in DER, in hex; shown by its first 16 digits. */
  readonly id: string
  readonly key: KeyObject
}

/** `shown` is where the text comes from, for errors. Fault: `keys/bad-key`. */
export function parsePublicKey(text: string, name: string, shown: string): PublicKey {
  if (/PRIVATE KEY/.test(text)) {
    throw badKey(shown, "it holds a private key", "give the public half: openssl pkey -in FILE -pubout")
  }
  try {
    return toPublicKey(createPublicKey({ key: text, format: "pem" }), name, shown)
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    throw badKey(
      shown,
      "it is not a public key in PEM (SPKI)",
      "it must begin with -----BEGIN PUBLIC KEY-----",
      thrown,
    )
  }
}

/** Fault: `keys/bad-key` for another kind than Ed25519. */
export function toPublicKey(key: KeyObject, name: string, shown: string): PublicKey {
  if (key.asymmetricKeyType !== "ed25519") {
    throw badKey(
      shown,
      `it is an ${key.asymmetricKeyType} key, expected Ed25519`,
      "make one: stereo keys new, or openssl genpkey -algorithm ed25519",
    )
  }
  const id = createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex")
  return { name, id, key }
}

/** The form that `openssl pkey -pubin` reads. */
export function renderPublicKey({ key }: PublicKey): string {
  return key.export({ type: "spki", format: "pem" }).toString()
}

function badKey(shown: string, reason: string, hint: string, cause?: unknown): Fault {
  return new Fault("keys/bad-key", `${shown}: ${reason}`, { hint, cause })
}
