/** The floor that no rule opens: addresses that a guest's request never reaches, checked at connect time. */

import { type LookupAddress, type LookupOptions, lookup } from "node:dns"
import { BlockList, isIP, SocketAddress } from "node:net"

/** IANA's special-purpose registries and the clouds' metadata services; all of it is not the public Internet. */
const CLOSED_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]
/**
 * Only 2000::/3 is global unicast, so that IPv4 in IPv6's clothes (mapped, compatible, both NAT64 prefixes), unique and
 * site local, link local, multicast and SRv6 are closed already. Inside it, what tunnels, documents or is given back:
 * Teredo, ORCHID and benchmarks lie in 2001::/23, 6to4 is 2002::/16, AS112 2620:4f:8000::/48, the 6bone 3ffe::/16.
 */
const CLOSED_IPV6_INSIDE = [
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "2620:4f:8000::/48",
  "3ffe::/16",
  "3fff::/20",
]
/** An interface identifier that holds an IPv4 address (RFC 5214), under whatever prefix; as Node writes addresses. */
const ISATAP = /(?:::|:0:|:200:)5efe(?:::$|:[0-9a-f]+:[0-9a-f]+$)/

const floor = buildFloor()

export class FloorError extends Error {
  readonly code = "EFLOOR"
  constructor(host: string, address: string) {
    super(`${host} resolves to ${address}, which is not a public address`)
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
    const low = addresses.find((one) => isBelowFloor(one.address))
    if (low) return done(new FloorError(host, low.address), [])
    const first = addresses[0]
    if (options.all || !first) return done(null, addresses)
    done(null, first.address, first.family)
  })
}

function buildFloor(): { readonly closed: BlockList; readonly global: BlockList } {
  const closed = new BlockList()
  const global = new BlockList()
  for (const range of CLOSED_IPV4) addRange(closed, range, "ipv4")
  for (const range of CLOSED_IPV6_INSIDE) addRange(closed, range, "ipv6")
  addRange(global, "2000::/3", "ipv6")
  return { closed, global }
}

function addRange(list: BlockList, range: string, family: "ipv4" | "ipv6"): void {
  const [address = "", prefix = ""] = range.split("/")
  list.addSubnet(address, Number(prefix), family)
}
