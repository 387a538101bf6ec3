/** What a frame on QEMU's wire is, read without belief in any length that it states. Pure. */

import { GATEWAY } from "../contract/wire.ts"

export interface WireFrame {
  readonly bytes: Buffer
  /** In words, for the table. */
  readonly what: string
  /** Address and port that it is for, where it has them. */
  readonly to: string | null
  readonly port: number | null
  /** The capture proxy's own connection to the gateway, or the kernel's question for the gateway's address. */
  readonly expected: boolean
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP" }

export function parseWireFrame(bytes: Buffer): WireFrame {
  const type = bytes.length >= 14 ? bytes.readUInt16BE(12) : -1
  if (type === 0x0806) return arp(bytes)
  if (type === 0x0800 && bytes.length >= 34) return ipv4(bytes)
  const what = type < 0 ? `${bytes.length} bytes` : `EtherType 0x${type.toString(16).padStart(4, "0")}`
  return { bytes, what, to: null, port: null, expected: false }
}

function arp(bytes: Buffer): WireFrame {
  const [from, to] = bytes.length >= 42 ? [dotted(bytes, 28), dotted(bytes, 38)] : ["", ""]
  const known: readonly string[] = [GATEWAY.address, GATEWAY.guestAddress]
  const expected = known.includes(from) && known.includes(to)
  return { bytes, what: `ARP ${from} asks for ${to}`, to, port: null, expected }
}

function ipv4(bytes: Buffer): WireFrame {
  const start = 14 + ((bytes[14] ?? 0) & 0x0f) * 4
  const protocol = bytes[23] ?? 0
  const [from, to] = [dotted(bytes, 26), dotted(bytes, 30)]
  const hasPorts = (protocol === 6 || protocol === 17) && bytes.length >= start + 4
  const [source, port] = hasPorts ? [bytes.readUInt16BE(start), bytes.readUInt16BE(start + 2)] : [null, null]
  const name = PROTOCOLS[protocol] ?? `IP protocol ${protocol}`
  const ours =
    (from === GATEWAY.guestAddress && to === GATEWAY.address && port === GATEWAY.port) ||
    (from === GATEWAY.address && to === GATEWAY.guestAddress && source === GATEWAY.port)
  const what = `${name} to ${to}${port === null ? "" : `:${port}`}`
  return { bytes, what, to, port, expected: protocol === 6 && ours }
}

function dotted(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 4)].join(".")
}
