/** The floor that no set opens, in words, from the ranges that the host service checks. Pure. */

import {
  CLOSED_IPV4,
  CLOSED_IPV6_INSIDE,
  type FloorRange,
  GLOBAL_IPV6,
} from "../../contract/address-floor.ts"

/** A sentence a line. */
export function describeFloor(): readonly string[] {
  return [
    "Checked when the host connects, against the address that is really used; no rule, live or in a set, opens these:",
    `IPv4: ${CLOSED_IPV4.map(describeRange).join("; ")}`,
    `IPv6: everything outside ${describeRange(GLOBAL_IPV6)}; inside it: ${CLOSED_IPV6_INSIDE.map(describeRange).join("; ")}`,
    "The host's own addresses are closed as well, public ones too.",
    "An IPv6 address that holds an IPv4 address as its interface (ISATAP) is closed as well, under whatever prefix.",
    "An address in place of a name is refused in every spelling, and so is a name of which one answer lies in these.",
    "Only the host's operator can lead a host elsewhere: an upstream in host.toml goes where it says, with its why.",
    "What no rule names is refused. Redirects are not followed: each hop is a request of its own.",
  ]
}

function describeRange({ range, what }: FloorRange): string {
  return `${range} (${what})`
}
