/** The floor that no rule opens, as data: what enforces it and what shows it to a reviewer read the same ranges. */

export interface FloorRange {
  readonly range: string
  /** What lies there, in words. */
  readonly what: string
}

/** IANA's special-purpose registries and the clouds' metadata services; all of it is not the public Internet. */
export const CLOSED_IPV4: readonly FloorRange[] = [
  { range: "0.0.0.0/8", what: "this host" },
  { range: "10.0.0.0/8", what: "private networks" },
  { range: "100.64.0.0/10", what: "carriers' shared networks" },
  { range: "127.0.0.0/8", what: "loopback" },
  { range: "168.63.129.16/32", what: "Azure's metadata service" },
  { range: "169.254.0.0/16", what: "link-local, and the clouds' metadata services" },
  { range: "172.16.0.0/12", what: "private networks" },
  { range: "192.0.0.0/24", what: "protocol assignments" },
  { range: "192.0.2.0/24", what: "documentation" },
  { range: "192.31.196.0/24", what: "AS112 sinks" },
  { range: "192.52.193.0/24", what: "multicast tunnels" },
  { range: "192.88.99.0/24", what: "6to4 relays" },
  { range: "192.168.0.0/16", what: "private networks" },
  { range: "192.175.48.0/24", what: "AS112 sinks" },
  { range: "198.18.0.0/15", what: "benchmarks, and the names that the guest's DNS invents" },
  { range: "198.51.100.0/24", what: "documentation" },
  { range: "203.0.113.0/24", what: "documentation" },
  { range: "224.0.0.0/4", what: "multicast" },
  { range: "240.0.0.0/4", what: "reserved, and broadcast" },
]

/**
 * All of IPv6 but this is closed: loopback, unique and site local, link local, multicast, SRv6, and IPv4 in IPv6's
 * clothes (mapped, compatible, both NAT64 prefixes) among it.
 */
export const GLOBAL_IPV6: FloorRange = { range: "2000::/3", what: "global unicast" }

/** Inside it, what tunnels, documents or is given back. */
export const CLOSED_IPV6_INSIDE: readonly FloorRange[] = [
  { range: "2001::/23", what: "Teredo tunnels, ORCHID, benchmarks" },
  { range: "2001:db8::/32", what: "documentation" },
  { range: "2002::/16", what: "6to4 tunnels, which hold an IPv4 address" },
  { range: "2620:4f:8000::/48", what: "AS112 sinks" },
  { range: "3ffe::/16", what: "the 6bone, given back" },
  { range: "3fff::/20", what: "documentation" },
]
