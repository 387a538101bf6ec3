/** Witnesses outside the guest: servers that nobody should ever reach, and QEMU's own network namespace. */

import { createSocket } from "node:dgram"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { machineRecord } from "../../contract/machine-record.ts"
import type { TestHome } from "./test-home.ts"

export interface Canary extends AsyncDisposable {
  readonly port: number
  /** What reached it, as `tcp` or `udp`. */
  readonly touched: readonly string[]
}

/** TCP and UDP on one port of this host's loopback, where QEMU's user network would find "the host". */
export async function openCanary(): Promise<Canary> {
  const touched: string[] = []
  const tcp = createServer((socket) => {
    touched.push("tcp")
    socket.destroy()
  })
  tcp.listen(0, "127.0.0.1")
  await once(tcp, "listening")
  const address = tcp.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const udp = createSocket("udp4")
  udp.on("message", () => touched.push("udp"))
  udp.bind(port, "127.0.0.1")
  await once(udp, "listening")
  return {
    port,
    touched,
    async [Symbol.asyncDispose]() {
      udp.close()
      tcp.close()
      await once(tcp, "close")
    },
  }
}

export interface WireWitness {
  /** Interfaces of QEMU's network namespace with what they have carried. */
  readonly interfaces: readonly string[]
  /** Sockets of that namespace, TCP, UDP and raw. */
  readonly sockets: readonly string[]
}

/** Reads the namespace in which QEMU runs through /proc, as the host's kernel sees it. */
export function readWireWitness(home: TestHome, machine: string): WireWitness {
  const record = machineRecord.parse(
    JSON.parse(readFileSync(join(home.root, "machines", machine, "machine.json"), "utf8")),
  )
  if (record.qemu === null) throw new Error(`${machine} has no QEMU`)
  const net = `/proc/${record.qemu.pid}/net`
  const rows = (file: string, headings: number) =>
    readFileSync(`${net}/${file}`, "utf8").trim().split("\n").slice(headings)
  const interfaces = rows("dev", 2).map((row) => {
    const [name, received, , , , , , , , sent] = row.trim().split(/[\s:]+/)
    return `${name} received ${received} sent ${sent}`
  })
  return { interfaces, sockets: ["tcp", "udp", "raw", "icmp"].flatMap((file) => rows(file, 1)) }
}
