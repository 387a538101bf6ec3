/** G3, addresses in every spelling that some resolver reads as one. */

import type { Vector } from "../vector.ts"

export function addressVectors(): readonly Vector[] {
  const spellings: Readonly<Record<string, string>> = {
    decimal: "2130706433",
    octal: "0177.0.0.1",
    hexadecimal: "0x7f000001",
    short: "127.1",
    mapped: "[::ffff:169.254.169.254]",
    compatible: "[::127.0.0.1]",
    nat64: "[64:ff9b::a9fe:a9fe]",
    sixtofour: "[2002:7f00:1::]",
    teredo: "[2001:0:7f00:1::]",
    zero: "0.0.0.0",
    multicast: "224.0.0.1",
    benchmark: "198.18.0.1",
    reserved: "240.0.0.1",
  }
  return Object.entries(spellings).map(([name, host]) => ({
    id: `52-address-${name}`,
    group: "G3",
    title: `an address spelled ${host}`,
    from: ["agent"],
    expected: "403",
    how: { kind: "web", to: "proxy", host },
    ...(name === "compatible" ? { seenIn: "obscura#816, fastmcp#4400: IPv4-compatible literals" } : {}),
  }))
}
