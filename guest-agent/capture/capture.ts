/** The capture proxy's spine: names, trust, a gateway, and the listeners that turn connections into exchanges. */

import { createServer, type Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { reasonOf } from "../../contract/fault.ts"
import type { Envelope } from "../../contract/uplink.ts"
import { CAPTURE_PORTS, GUEST_FILES } from "../../contract/wire.ts"
import { NO_AGENT, startAgentClient } from "./agent-client.ts"
import { createAuthority, writeTrust } from "./authority.ts"
import { askForTunnel } from "./connect-tunnel.ts"
import type { Connection } from "./connection.ts"
import { serveDns } from "./dns-server.ts"
import type { ExchangeContext } from "./exchange.ts"
import { startGateway } from "./gateway.ts"
import { readGatewayTarget } from "./gateway-target.ts"
import { createHttpFront } from "./http-front.ts"
import { type ClientSocket, findClientSocket } from "./socket-table.ts"
import { createSyntheticNames } from "./synthetic-names.ts"
import { terminateTls } from "./tls-front.ts"

export interface CaptureContext {
  /** The guest's clock, milliseconds since 1970. */
  readonly nowMs: () => number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

export async function runCapture({ nowMs, log, signal }: CaptureContext): Promise<void> {
  const target = readGatewayTarget()
  const gateway = startGateway(target, log, signal)
  const names = createSyntheticNames()
  const authority = createAuthority(nowMs)
  const agent = target.isElsewhere ? NO_AGENT : startAgentClient(GUEST_FILES.envelopes, log)
  const context: ExchangeContext = { gateway, report: agent.report, nowMs, log }
  const front = createHttpFront(context)

  const takeTls = (connection: Connection, name: string): void => {
    terminateTls(connection.socket, authority, name, (secure: TLSSocket, asked) => {
      front.accept(secure, { ...connection, scheme: "https", serverName: asked ?? connection.serverName })
    })
  }
  front.onConnect = async (incoming, socket, head, connection) => {
    const host = await askForTunnel(incoming, socket, connection, context)
    if (host === null) return
    if (head.length > 0) socket.unshift(head)
    takeTls({ ...connection, serverName: host }, host)
  }

  const plain = (socket: Socket, via: Envelope["via"]): Looked => {
    const client = lookUp(socket, log)
    const caller = client.then((found) =>
      found && isHeld(found) ? agent.findCaller(found.inode, found.uid) : null,
    )
    return { client, connection: { via, scheme: "http", serverName: null, caller, socket } }
  }
  await writeTrust(authority)
  await serveDns(names, log)
  await listen(CAPTURE_PORTS.https, async (socket) => {
    const { client, connection } = plain(socket, "redirect")
    const address = (await client)?.address ?? "invalid"
    takeTls(connection, names.nameOf(address) ?? address)
  })
  await listen(CAPTURE_PORTS.http, (socket) => front.accept(socket, plain(socket, "redirect").connection))
  await listen(CAPTURE_PORTS.explicit, (socket) => front.accept(socket, plain(socket, "explicit").connection))
}

interface Looked {
  readonly client: Promise<ClientSocket | null>
  readonly connection: Connection
}

/** A socket that its process has closed already is nobody's. */
function isHeld({ inode }: ClientSocket): boolean {
  return inode !== "0"
}

async function lookUp(socket: Socket, log: (line: string) => void): Promise<ClientSocket | null> {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return null
  try {
    return await findClientSocket(remoteAddress, remotePort)
  } catch (thrown) {
    log(`the client's socket cannot be looked up: ${reasonOf(thrown)}`)
    return null
  }
}

async function listen(port: number, onSocket: (socket: Socket) => void): Promise<void> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy())
    onSocket(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen({ port, host: "127.0.0.1", backlog: 1024 }, resolve)
  })
}
