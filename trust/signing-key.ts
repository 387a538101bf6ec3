/** The private key that signs what is built here: a PEM file that nobody else may read. */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from "node:crypto"
import { link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fault } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { type PublicKey, toPublicKey } from "./public-key.ts"

export interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicKey: PublicKey
}

/** Null when there is none. Faults: `keys/loose-file`, `keys/bad-key`. */
export async function readSigningKey(file: string): Promise<SigningKey | null> {
  const found = await stat(file).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw thrown
  })
  if (found === null) return null
  if ((found.mode & 0o077) !== 0) {
    throw new Fault("keys/loose-file", `${file}: other users may read or write the signing key`, {
      hint: `chmod 600 ${file}; if it may have been read, make a new one: stereo keys new`,
    })
  }
  return parseSigningKey(await readFile(file, "utf8"), file)
}

/** Makes a key where there is none; of two that try at once, one is kept and both get it. */
export async function makeSigningKey(home: Home): Promise<SigningKey> {
  const file = home.signingKey
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const next = await writeNewKey(file)
  try {
    await link(next, file)
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown
  } finally {
    await rm(next, { force: true })
  }
  const made = await readSigningKey(file)
  if (made === null) throw new Fault("keys/vanished", `${file}: it was made, and is gone`)
  return made
}

/** Replaces the key, in one step for whoever reads it meanwhile. */
export async function replaceSigningKey(home: Home): Promise<SigningKey> {
  await mkdir(dirname(home.signingKey), { recursive: true, mode: 0o700 })
  const next = await writeNewKey(home.signingKey)
  await rename(next, home.signingKey)
  return parseSigningKey(await readFile(home.signingKey, "utf8"), home.signingKey)
}

async function writeNewKey(file: string): Promise<string> {
  const { privateKey } = generateKeyPairSync("ed25519")
  const next = join(dirname(file), `.next-${randomUUID()}`)
  const handle = await open(next, "wx", 0o600)
  try {
    await handle.writeFile(privateKey.export({ type: "pkcs8", format: "pem" }))
    await handle.sync()
  } finally {
    await handle.close()
  }
  return next
}

function parseSigningKey(text: string, file: string): SigningKey {
  if (/ENCRYPTED/.test(text)) {
    throw new Fault("keys/bad-key", `${file}: the key is encrypted, and stereo asks for no passphrase`, {
      hint: "let a program of yours sign: stereo build --signing-command CMD --signing-public-key FILE",
    })
  }
  try {
    const privateKey = createPrivateKey({ key: text, format: "pem" })
    return { privateKey, publicKey: toPublicKey(createPublicKey(privateKey), "own", file) }
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    throw new Fault("keys/bad-key", `${file}: it is not a private key in PEM (PKCS #8)`, {
      hint: "make one: openssl genpkey -algorithm ed25519",
      cause: thrown,
    })
  }
}
