/** Finds a trusted key by what a person calls it. */

import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import type { PublicKey } from "../../trust/public-key.ts"
import { readTrustedKeys } from "../../trust/trusted-keys.ts"

/** Fault: `keys/unknown`. */
export async function findKey(home: Home, reference: string): Promise<PublicKey> {
  const keys = await readTrustedKeys(home)
  const named = keys.find(({ name }) => name === reference)
  const matches = /^[0-9a-f]{8,64}$/.test(reference) ? keys.filter(({ id }) => id.startsWith(reference)) : []
  const found = named ?? (matches.length === 1 ? matches[0] : undefined)
  if (found) return found
  throw new Fault("keys/unknown", `no trusted key is called ${JSON.stringify(reference)}, or begins so`, {
    hint: keys.length === 0 ? "none is trusted yet" : `there are: ${keys.map(({ name }) => name).join(", ")}`,
  })
}
