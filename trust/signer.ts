/** Who signs: a key in a file, or a command that has access to one. */

import type { PublicKey } from "./public-key.ts"

export interface Signer {
  readonly publicKey: PublicKey
  /** Gives the Ed25519 signature of exactly these bytes, 64 of them. */
  sign(bytes: Buffer): Promise<Buffer>
}

/** How whoever builds wants it signed; nothing given: by the home's own key. */
export interface SigningChoice {
  /** A private key in PEM (PKCS #8). */
  readonly keyFile?: string
  readonly command?: {
    /** For a shell: the bytes to sign come on standard input, the signature goes to standard output in base64. */
    readonly line: string
    /** The key that it signs with, in PEM (SPKI). */
    readonly publicKeyFile: string
    readonly timeoutMs?: number
  }
  /** A second signature, by whom an OIDC token of the environment names. */
  readonly keyless?: KeylessChoice
}

export interface KeylessChoice {
  /** Where certificates come from. */
  readonly fulcioUrl?: string
  /** The transparency log. */
  readonly rekorUrl?: string
}
