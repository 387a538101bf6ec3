/** Reads /proc/net/tcp: the client's end of a connection tells where it meant to go before it was redirected. */

import { readFile } from "node:fs/promises"

export interface ClientSocket {
  /** Where the client connected to, by its own account. */
  readonly address: string
  readonly port: number
  readonly uid: number
  readonly inode: string
}

let reading: Promise<unknown> = Promise.resolve()
let next: Promise<string> | null = null

/** The row of the socket whose own end is `address:port`; null when it is gone already. */
export async function findClientSocket(address: string, port: number): Promise<ClientSocket | null> {
  // one reading for all who ask while another is under way: many connections make a long table
  next ??= reading.then(() => {
    next = null
    const read = readFile("/proc/net/tcp", "utf8")
    reading = read.catch(() => null) // whoever waits for it hears of it
    return read
  })
  return parseSocketTable(await next, address, port)
}

export function parseSocketTable(table: string, address: string, port: number): ClientSocket | null {
  const wanted = `: ${toHex(address)}:${port.toString(16).toUpperCase().padStart(4, "0")} `
  const place = table.indexOf(wanted)
  if (place < 0) return null
  const [, , remote = "", , , , , uid, , inode = ""] = table.slice(place, place + 256).split(/\s+/)
  const [remoteAddress = "", remotePort = ""] = remote.split(":")
  return { address: fromHex(remoteAddress), port: Number.parseInt(remotePort, 16), uid: Number(uid), inode }
}

/** The kernel prints an address as the number that its bytes make on this machine: the last byte first. */
function toHex(address: string): string {
  const bytes = address.split(".").reverse()
  return bytes.map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, "0")).join("")
}

function fromHex(hex: string): string {
  const bytes = hex.match(/../g) ?? []
  return bytes
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".")
}
