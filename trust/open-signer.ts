/** From what was asked for to somebody who signs; what cannot sign is said before anything is built. */

import { sign } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { parsePublicKey } from "./public-key.ts"
import { openCommandSigner } from "./signer/command-signer.ts"
import type { Signer, SigningChoice } from "./signer.ts"
import { makeSigningKey, readSigningKey, type SigningKey } from "./signing-key.ts"

/** The home's own key is made when there is none. Faults: `keys/*`, `sign/two-ways`. */
export async function openSigner(home: Home, choice: SigningChoice, signal: AbortSignal): Promise<Signer> {
  const { keyFile, command } = choice
  if (keyFile !== undefined && command !== undefined) {
    throw new Fault("sign/two-ways", "a signing key and a signing command are given, expected one of them", {
      hint: "take one away: STEREO_SIGNING_KEY or --signing-key, STEREO_SIGNING_COMMAND or --signing-command",
    })
  }
  if (command) {
    const { publicKeyFile: file, line, timeoutMs } = command
    const publicKey = parsePublicKey(await readKeyFile(file), "command", file)
    return openCommandSigner({ line, publicKey, signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  }
  if (keyFile === undefined)
    return keySigner((await readSigningKey(home.signingKey)) ?? (await makeSigningKey(home)))
  const key = await readSigningKey(keyFile)
  if (key) return keySigner(key)
  throw new Fault("keys/no-file", `${keyFile}: there is no such signing key`, {
    hint: "make one: openssl genpkey -algorithm ed25519 -out FILE, chmod 600 FILE",
  })
}

function keySigner({ privateKey, publicKey }: SigningKey): Signer {
  return { publicKey, sign: async (bytes) => sign(null, bytes, privateKey) }
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (cause) {
    throw new Fault("keys/no-file", `the signing command's public key cannot be read: ${reasonOf(cause)}`, {
      hint: "give the file of the key that the command signs with, in PEM (SPKI)",
      cause,
    })
  }
}
