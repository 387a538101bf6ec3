/** The floor that no rule opens: addresses that a guest's request never reaches, checked at connect time. */

import { type LookupAddress, type LookupOptions, lookup } from "node:dns"
import { BlockList, isIP, SocketAddress } from "node:net"
import { CLOSED_IPV4, CLOSED_IPV6_INSIDE, GLOBAL_IPV6 } from "../../contract/address-floor.ts"
import { isOwnAddress } from "./own-address.ts"

/** An interface identifier that holds an IPv4 address (RFC 5214), under whatever prefix; as Node writes addresses. */
const ISATAP = /(?:::|:0:|:200:)5efe(?:::$|:[0-9a-f]+:[0-9a-f]+$)/

const floor = buildFloor()

export class FloorError extends Error {
  readonly code = "EFLOOR"
  constructor(host: string, address: string) {
    super(`${host} resolves to ${address}, which is not a public address, or is the host itself`)
  }
}

/** Whether `address` is one that nothing may connect to on a guest's behalf. */
export function isBelowFloor(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return floor.closed.check(address, "ipv4")
  if (family !== 6 || address.includes("%")) return true
  if (!floor.global.check(address, "ipv6") || floor.closed.check(address, "ipv6")) return true
  return ISATAP.test(new SocketAddress({ address, family: "ipv6" }).address)
}

type LookupDone = (failure: Error | null, addresses: LookupAddress[] | string, family?: number) => void

/** `dns.lookup` that fails when any answer lies below the floor: a mixed answer is an attack, not a choice. */
export function lookupAboveFloor(host: string, options: LookupOptions, done: LookupDone): void {
  lookup(host, { ...options, all: true }, (failure, addresses) => {
    if (failure) return done(failure, [])
    const low = addresses.find((one) => isBelowFloor(one.address) || isOwnAddress(one.address))
    if (low) return done(new FloorError(host, low.address), [])
    const first = addresses[0]
    if (options.all || !first) return done(null, addresses)
    done(null, first.address, first.family)
  })
}

function buildFloor(): { readonly closed: BlockList; readonly global: BlockList } {
  const closed = new BlockList()
  const global = new BlockList()
  for (const { range } of CLOSED_IPV4) addRange(closed, range, "ipv4")
  for (const { range } of CLOSED_IPV6_INSIDE) addRange(closed, range, "ipv6")
  addRange(global, GLOBAL_IPV6.range, "ipv6")
  return { closed, global }
}

function addRange(list: BlockList, range: string, family: "ipv4" | "ipv6"): void {
  const [address = "", prefix = ""] = range.split("/")
  list.addSubnet(address, Number(prefix), family)
}
