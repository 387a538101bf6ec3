/** The keys whose signatures count: the home's own, and those in `keys/trusted/`, a PEM file each. */

import { lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fault } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { type PublicKey, parsePublicKey, renderPublicKey } from "./public-key.ts"
import { readSigningKey } from "./signing-key.ts"

/** What the home's own key is called is nobody else's name. */
const KEY_NAME = /^(?!own$)[a-z0-9][a-z0-9._-]{0,40}$/
const SUFFIX = ".pub"
/** A PEM of an Ed25519 key has 113 bytes. */
const MAX_KEY_BYTES = 16_384

/** The home's own first. Faults: `keys/loose-folder`, `keys/loose-file`, `keys/bad-key`: a folder that is not as it must be trusts nobody. */
export async function readTrustedKeys(home: Home): Promise<readonly PublicKey[]> {
  await refuseLooseFolder(dirname(home.trustedKeys))
  await refuseLooseFolder(home.trustedKeys)
  const own = await readSigningKey(home.signingKey)
  const names = await listNames(home)
  const others = await Promise.all(names.map((name) => readTrusted(home, name)))
  // the home's own may lie there, too
  return own === null ? others : [own.publicKey, ...others.filter(({ id }) => id !== own.publicKey.id)]
}

/** Faults: `keys/name-taken`, `keys/bad-name`. A key that is trusted already is left as it is called. */
export async function trustKey(home: Home, key: PublicKey): Promise<PublicKey> {
  if (!KEY_NAME.test(key.name)) {
    throw new Fault("keys/bad-name", `${JSON.stringify(key.name)} cannot be a key's name`, {
      hint: "give one of lower-case letters, digits, dots and dashes, and not `own`: --name ci",
    })
  }
  const known = await readTrustedKeys(home)
  const same = known.find(({ id }) => id === key.id)
  if (same && same.name !== "own") return same
  if (known.some(({ name }) => name === key.name)) {
    throw new Fault("keys/name-taken", `another key is called ${key.name}`, {
      hint: "choose another with --name",
    })
  }
  await mkdir(home.trustedKeys, { recursive: true, mode: 0o700 })
  const file = fileOf(home, key.name)
  await writeFile(`${file}.next`, renderPublicKey(key), { mode: 0o600 })
  await rename(`${file}.next`, file)
  return key
}

/** Gives whether there was such a file. */
export async function distrustKey(home: Home, name: string): Promise<boolean> {
  if (!(await listNames(home)).includes(name)) return false
  await rm(fileOf(home, name))
  return true
}

function fileOf(home: Home, name: string): string {
  return join(home.trustedKeys, `${name}${SUFFIX}`)
}

async function listNames(home: Home): Promise<string[]> {
  const files = await readdir(home.trustedKeys).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return []
    throw thrown
  })
  return files
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort()
}

async function readTrusted(home: Home, name: string): Promise<PublicKey> {
  const file = fileOf(home, name)
  const found = await lstat(file)
  if (!found.isFile() || found.size > MAX_KEY_BYTES) {
    throw new Fault("keys/bad-key", `${file}: expected a plain file with one public key`, {
      hint: "take it away, or put the key itself there: stereo keys trust FILE",
    })
  }
  if ((found.mode & 0o022) !== 0) {
    throw new Fault("keys/loose-file", `${file}: other users may put another key in its place`, {
      hint: `look whose key it is (openssl pkey -pubin -in FILE -text), then chmod 600 ${file}`,
    })
  }
  return parsePublicKey(await readFile(file, "utf8"), name, file)
}

/** Whoever may write there decides who is trusted. */
async function refuseLooseFolder(dir: string): Promise<void> {
  const found = await stat(dir).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw thrown
  })
  if (found === null || (found.mode & 0o022) === 0) return
  throw new Fault("keys/loose-folder", `${dir}: other users may add trusted keys`, {
    hint: `look who is in there (stereo keys ls), then chmod 700 ${dir}`,
  })
}
