/** Changes to the keys of a home, each checked before it counts. */

import { readFile } from "node:fs/promises"
import { basename } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { type PublicKey, parsePublicKey } from "../../trust/public-key.ts"
import { readSigningKey, replaceSigningKey } from "../../trust/signing-key.ts"
import { distrustKey, trustKey } from "../../trust/trusted-keys.ts"
import { findKey } from "./find-key.ts"

export interface ShownKey {
  readonly name: string
  readonly id: string
}

export async function trustFile(home: Home, file: string, name: string | undefined): Promise<ShownKey> {
  const called =
    name ??
    basename(file)
      .replace(/\.(?:pub|pem)$/, "")
      .toLowerCase()
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new Fault("keys/no-file", `the key ${file} cannot be read: ${reasonOf(cause)}`, {
      hint: "whoever is to be trusted writes it: stereo keys show own > own.pub",
      cause,
    })
  })
  return shownKey(await trustKey(home, parsePublicKey(text, called, file)))
}

export async function distrust(home: Home, reference: string): Promise<ShownKey> {
  const key = await findKey(home, reference)
  if (await distrustKey(home, key.name)) return shownKey(key)
  throw new Fault("keys/own", "the home's own key signs what is built here: it cannot be distrusted alone", {
    hint: "make a new one (stereo keys new), then distrust the former one by the name that it is given",
  })
}

/** The former key's public half stays trusted, so that what it signed goes on; null: there was none. */
export async function makeNew(
  home: Home,
  nowMs: number,
): Promise<{ readonly made: ShownKey; readonly former: ShownKey | null }> {
  const before = await readSigningKey(home.signingKey)
  const day = new Date(nowMs).toISOString().slice(0, 10)
  const name = before === null ? "" : `own-until-${day}-${before.publicKey.id.slice(0, 8)}`
  const former = before === null ? null : await trustKey(home, { ...before.publicKey, name })
  const { publicKey } = await replaceSigningKey(home)
  return { made: shownKey(publicKey), former: former === null ? null : shownKey(former) }
}

function shownKey({ name, id }: PublicKey): ShownKey {
  return { name, id }
}
