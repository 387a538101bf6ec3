/** Who is to sign a build, by the command line or else the environment. */

import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import type { KeylessChoice, SigningChoice } from "../trust/signer.ts"

export interface SigningOptions {
  readonly signingKey?: string
  readonly signingCommand?: string
  readonly signingPublicKey?: string
  readonly keyless?: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

export const SIGNING_HELP = `
Signing: by the home's own key, unless one of these says otherwise, on the command line or in the environment:
  STEREO_SIGNING_KEY          --signing-key FILE
  STEREO_SIGNING_COMMAND      --signing-command CMD, a line for a shell: gets the bytes to sign, prints the
                              Ed25519 signature in base64
  STEREO_SIGNING_PUBLIC_KEY   --signing-public-key FILE, the key that the command signs with
  STEREO_KEYLESS=1            --keyless: a Sigstore bundle besides, for the OIDC identity that the CI environment
  or SIGSTORE_ID_TOKEN        gives; name and time stand in the log for all to read
  STEREO_FULCIO_URL, STEREO_REKOR_URL   other services than Sigstore's public ones`

export function addSigningOptions(command: Command): Command {
  return command
    .option("--signing-key <file>", "sign with this private key (PEM, Ed25519)")
    .option("--signing-command <line>", "sign by a command, which gets the bytes and prints the signature")
    .option("--signing-public-key <file>", "the public key of --signing-command")
    .option("--keyless", "sign with the CI environment's identity as well, by Sigstore")
}

/** Faults: `sign/no-public-key`, `sign/no-command`. What the command line says wins over the environment. */
export function readSigningChoice(options: SigningOptions, environment: Environment): SigningChoice {
  const given = options.signingKey ?? options.signingCommand
  const keyFile = options.signingKey ?? (given === undefined ? environment["STEREO_SIGNING_KEY"] : undefined)
  const line =
    options.signingCommand ?? (given === undefined ? environment["STEREO_SIGNING_COMMAND"] : undefined)
  if (options.signingPublicKey !== undefined && !line) {
    throw new Fault("sign/no-command", "a public key is given, and no command that signs with it", {
      hint: "give it: --signing-command CMD, or STEREO_SIGNING_COMMAND; the private key in a file is --signing-key FILE",
    })
  }
  const keyless = readKeyless(options, environment)
  return {
    ...(keyFile ? { keyFile } : {}),
    ...(line ? { command: { line, publicKeyFile: findPublicKey(options, environment) } } : {}),
    ...(keyless ? { keyless } : {}),
  }
}

function findPublicKey(options: SigningOptions, environment: Environment): string {
  const file = options.signingPublicKey ?? environment["STEREO_SIGNING_PUBLIC_KEY"]
  if (file) return file
  throw new Fault("sign/no-public-key", "a signing command needs the public key that it signs with", {
    hint: "give it in PEM: --signing-public-key FILE, or STEREO_SIGNING_PUBLIC_KEY",
  })
}

/** A CI's token alone asks for nothing: jobs have one for other services, and the log is public. */
function readKeyless({ keyless }: SigningOptions, environment: Environment): KeylessChoice | null {
  if (!keyless && environment["STEREO_KEYLESS"] !== "1" && !environment["SIGSTORE_ID_TOKEN"]) return null
  const fulcioUrl = environment["STEREO_FULCIO_URL"]
  const rekorUrl = environment["STEREO_REKOR_URL"]
  return { ...(fulcioUrl ? { fulcioUrl } : {}), ...(rekorUrl ? { rekorUrl } : {}) }
}
