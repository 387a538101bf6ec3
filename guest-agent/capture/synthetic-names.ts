/** Which made-up address stands for which name: bounded, and an address that is given up means nothing. */

import { SYNTHETIC_NET } from "../../contract/wire.ts"

export interface SyntheticNames {
  /** The address that stands for a name, in four bytes; the same one while the name is in use. */
  readonly addressOf: (name: string) => Buffer
  /** The name that an address stands for, or null: then the address stays what it is, and is refused as that. */
  readonly nameOf: (address: string) => string | null
}

/** Names at a time. The range has 16 times as many addresses, so a stale one is long not another name's. */
const MAX_NAMES = 8_192

export function createSyntheticNames(maxNames = MAX_NAMES): SyntheticNames {
  const base = toNumber(SYNTHETIC_NET.base)
  const size = 2 ** (32 - SYNTHETIC_NET.prefix)
  // insertion order is order of use: the first is the one that has gone unused for longest
  const byName = new Map<string, number>()
  const byAddress = new Map<number, string>()
  let next = 0
  const give = (name: string): number => {
    const [oldest] = byName
    if (byName.size >= maxNames && oldest) {
      byName.delete(oldest[0])
      byAddress.delete(oldest[1])
    }
    do next = (next + 1) % size
    while (next === 0 || byAddress.has(base + next))
    byAddress.set(base + next, name)
    return base + next
  }
  return {
    addressOf: (name) => {
      const address = byName.get(name) ?? give(name)
      byName.delete(name)
      byName.set(name, address)
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(address)
      return bytes
    },
    nameOf: (address) => byAddress.get(toNumber(address)) ?? null,
  }
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
}
