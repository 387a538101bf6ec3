/** The guest's resolver on 127.0.0.1:53: every name has a synthetic address, and no question goes anywhere. */

import { createSocket } from "node:dgram"
import { createServer, type Socket } from "node:net"
import { CAPTURE_PORTS } from "../../contract/wire.ts"
import {
  DNS_CODE,
  DNS_TYPE,
  type DnsAnswer,
  type DnsQuery,
  parseDnsQuery,
  renderDnsAnswer,
} from "./dns-message.ts"
import type { SyntheticNames } from "./synthetic-names.ts"

/** Short: an address may be given up, and a question costs nothing. */
const TTL_SECONDS = 30
const LOOPBACK = Buffer.from([127, 0, 0, 1])
/** A connection that asks nothing for so long is closed. */
const IDLE_MS = 10_000
const MAX_CONNECTIONS = 64

export async function serveDns(names: SyntheticNames, log: (line: string) => void): Promise<AsyncDisposable> {
  const udp = createSocket("udp4")
  udp.on("error", (error) => log(`dns: ${error.message}`))
  udp.on("message", (message, from) => {
    const answer = answerDns(message, names)
    if (answer) udp.send(answer, from.port, from.address)
  })
  const tcp = createServer((socket) => serveConnection(socket, names, log))
  tcp.maxConnections = MAX_CONNECTIONS
  await Promise.all([
    new Promise<void>((resolve) => udp.bind(CAPTURE_PORTS.dns, "127.0.0.1", resolve)),
    new Promise<void>((resolve, reject) => {
      tcp.once("error", reject)
      tcp.listen(CAPTURE_PORTS.dns, "127.0.0.1", resolve)
    }),
  ])
  return {
    [Symbol.asyncDispose]: async () => {
      udp.close()
      tcp.close()
    },
  }
}

/** Null: no answer at all. Uniform, so that the time of an answer tells nothing of any name. */
export function answerDns(message: Buffer, names: SyntheticNames): Buffer | null {
  const query = parseDnsQuery(message)
  if (query.kind === "ignore") return null
  return renderDnsAnswer(query, query.kind === "refuse" ? empty(query.code) : decide(query, names))
}

function decide(query: Extract<DnsQuery, { kind: "question" }>, names: SyntheticNames): DnsAnswer {
  const { name, type } = query
  if (name === "localhost" || name.endsWith(".localhost")) {
    return type === DNS_TYPE.a ? { ...empty(DNS_CODE.ok), address: LOOPBACK } : empty(DNS_CODE.ok)
  }
  // a name without a dot is nobody's in the outside world: fail before a connection is tried
  if (!name.includes(".") || name.endsWith(".arpa") || name.endsWith(".local")) return empty(DNS_CODE.noName)
  switch (type) {
    case DNS_TYPE.a:
      return { ...empty(DNS_CODE.ok), address: names.addressOf(name) }
    // the name is there but has none of these: clients go on with the A record
    case DNS_TYPE.aaaa:
    case DNS_TYPE.svcb:
    case DNS_TYPE.https:
      return empty(DNS_CODE.ok)
    default:
      return empty(DNS_CODE.notImplemented)
  }
}

function empty(code: number): DnsAnswer {
  return { code, address: null, ttlSeconds: TTL_SECONDS }
}

/** Over TCP each message has its length in two bytes before it. */
function serveConnection(socket: Socket, names: SyntheticNames, log: (line: string) => void): void {
  let pending = Buffer.alloc(0)
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on("error", (error) => log(`dns over tcp: ${error.message}`))
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 2) {
      const size = pending.readUInt16BE(0)
      if (size > 4096) return socket.destroy()
      if (pending.length < 2 + size) return undefined
      const answer = answerDns(pending.subarray(2, 2 + size), names)
      pending = pending.subarray(2 + size)
      if (!answer) return socket.destroy()
      const length = Buffer.alloc(2)
      length.writeUInt16BE(answer.length)
      socket.write(Buffer.concat([length, answer]))
    }
    return undefined
  })
}
