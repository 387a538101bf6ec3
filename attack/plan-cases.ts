/** Which vectors are tried on this machine, by whom, and under which marker; and which are not, with the reason. Pure. */

import type { AttackCase, Vector } from "./vector.ts"
import { addressVectors } from "./vectors/addresses.ts"
import { allowedVectors } from "./vectors/allowed.ts"
import { gatewayVectors } from "./vectors/gateway.ts"
import { gitVectors } from "./vectors/git.ts"
import { guestVectors } from "./vectors/guest.ts"
import { heldElsewhereVectors } from "./vectors/held-elsewhere.ts"
import { hostVectors } from "./vectors/host.ts"
import { nameVectors } from "./vectors/names.ts"
import { networkVectors } from "./vectors/network.ts"
import { parsingVectors } from "./vectors/parsing.ts"
import { smugglingVectors } from "./vectors/smuggling.ts"

export const allVectors: readonly Vector[] = [
  ...networkVectors,
  ...nameVectors,
  ...parsingVectors,
  ...smugglingVectors(),
  ...addressVectors(),
  ...gatewayVectors(),
  ...allowedVectors,
  ...gitVectors(),
  ...guestVectors,
  ...hostVectors,
  ...heldElsewhereVectors,
]

export interface PlannedCase extends AttackCase {
  /** Why it is not tried; null: it is. */
  readonly skip: string | null
}

export interface CaseWish {
  /** Groups and ids; none: all. */
  readonly only: readonly string[]
  /** Six letters and digits of this run. */
  readonly nonce: string
  readonly allowsHost: (host: string) => boolean
  readonly hasWorld: boolean
}

export function planCases({ only, nonce, allowsHost, hasWorld }: CaseWish): readonly PlannedCase[] {
  const wanted = allVectors.filter(
    ({ id, group }) => only.length === 0 || only.includes(group) || only.includes(id),
  )
  return wanted
    .flatMap((vector) => vector.from.map((from) => ({ vector, from })))
    .map(({ vector, from }, index) => ({
      vector,
      from,
      // all of one length, so that none stands inside another
      marker: `z${nonce}${String(index).padStart(3, "0")}`,
      skip: reasonToSkip(vector, allowsHost, hasWorld),
    }))
}

function reasonToSkip(vector: Vector, allowsHost: CaseWish["allowsHost"], hasWorld: boolean): string | null {
  if (vector.how.kind === "none") return vector.reason ?? "not promised"
  if (vector.needs !== undefined && !allowsHost(vector.needs)) {
    return `not applicable: this machine's policy does not name ${vector.needs}`
  }
  if (vector.world !== undefined && !hasWorld) {
    return "not applicable: it needs a network made for it (`make attack`)"
  }
  return null
}
