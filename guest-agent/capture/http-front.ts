/** The HTTP/1 server that all listeners share: strict parsing, one exchange per request, no upgrades. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Socket } from "node:net"
import { newIdentifier } from "../../contract/identifier.ts"
import type { Connection, Connections } from "./connection.ts"
import { type ExchangeContext, forwardExchange } from "./exchange.ts"
import { type Refusal, sendRefusal, writeRefusal } from "./refusal.ts"
import { parseTarget } from "./target.ts"

const MAX_HEADER_BYTES = 65_536
const HEAD_MS = 60_000
const KEEP_ALIVE_MS = 120_000

export interface HttpFront {
  /** Takes over a connection, encrypted or not. */
  readonly accept: (socket: Socket, connection: Connection) => void
  /** Called with each CONNECT. */
  onConnect: (incoming: IncomingMessage, socket: Socket, head: Buffer, connection: Connection) => void
}

export function createHttpFront(context: ExchangeContext): HttpFront {
  const connections: Connections = new WeakMap()
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEAD_MS,
    // uploads and streams may take as long as they like
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // answered here with a body that says what is wrong
    requireHostHeader: false,
  })
  // the size bounds them; Node would drop the rest in silence
  server.maxHeadersCount = 0
  const front: HttpFront = {
    accept: (socket, connection) => {
      connections.set(socket, connection)
      server.emit("connection", socket)
    },
    onConnect: (_incoming, socket) => socket.destroy(),
  }
  server.on("request", (incoming, outgoing) => {
    const connection = connections.get(incoming.socket)
    if (connection) answer(incoming, outgoing, connection, context)
    else outgoing.destroy()
  })
  server.on("connect", (incoming, socket, head) => {
    const connection = connections.get(socket)
    if (connection && socket instanceof Socket) front.onConnect(incoming, socket, head, connection)
    else socket.destroy()
  })
  refuseTheRest(server, context)
  return front
}

function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  connection: Connection,
  context: ExchangeContext,
): void {
  // byte for byte: what the host did not say is not said here
  outgoing.sendDate = false
  const form = connection.via === "explicit" && connection.scheme === "http" ? "absolute" : "origin"
  const target = parseTarget(incoming, connection.scheme, form)
  if ("problem" in target) {
    sendRefusal(outgoing, refusal(400, "proxy/bad-target", target.problem, context))
    incoming.resume()
    return
  }
  forwardExchange({ incoming, outgoing, connection, target }, context).catch((thrown) => {
    context.log(`exchange failed: ${thrown instanceof Error ? thrown.stack : thrown}`)
    connection.socket.destroy()
  })
}

function refuseTheRest(server: Server, context: ExchangeContext): void {
  server.on("upgrade", (incoming, socket) => {
    const message = `upgrades are not passed on: ${incoming.headers.upgrade?.slice(0, 100)}`
    if (socket instanceof Socket) writeRefusal(socket, refusal(501, "proxy/no-upgrade", message, context))
    else socket.destroy()
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !(socket instanceof Socket)) {
      socket.destroy()
      return
    }
    const status =
      error.code === "HPE_HEADER_OVERFLOW" ? 431 : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400
    writeRefusal(
      socket,
      refusal(status, "proxy/bad-request", `not a valid request: ${error.message}`, context),
    )
  })
}

function refusal(
  status: Refusal["status"],
  rule: string,
  message: string,
  { nowMs }: Pick<ExchangeContext, "nowMs">,
): Refusal {
  const hint = "send plain HTTP/1.1 with one Host header, through the proxy or to port 80 or 443"
  return { status, rule, message, hint, exchange: newIdentifier(nowMs()) }
}
