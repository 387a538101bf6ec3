/** Reads /proc/net/tcp: the client's end of a connection tells where it meant to go before it was redirected. */

import { readFile } from "node:fs/promises"

export interface ClientSocket {
  /** Where the client connected to, by its own account. */
  readonly address: string
  readonly port: number
  readonly uid: number
  readonly inode: string
}

/** The row of the socket whose own end is `address:port`; null when it is gone already. */
export async function findClientSocket(address: string, port: number): Promise<ClientSocket | null> {
  return parseSocketTable(await readFile("/proc/net/tcp", "utf8"), address, port)
}

export function parseSocketTable(table: string, address: string, port: number): ClientSocket | null {
  const wanted = `${toHex(address)}:${port.toString(16).toUpperCase().padStart(4, "0")}`
  for (const line of table.split("\n").slice(1)) {
    const [, local, remote = "", , , , , uid, , inode = ""] = line.trim().split(/\s+/)
    if (local !== wanted) continue
    const [remoteAddress = "", remotePort = ""] = remote.split(":")
    return { address: fromHex(remoteAddress), port: Number.parseInt(remotePort, 16), uid: Number(uid), inode }
  }
  return null
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
