/** The HTTP/1 server that all listeners share: strict parsing, one exchange per request, WebSocket the only upgrade. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { newIdentifier } from "../../contract/identifier.ts"
import type { Connection, Connections } from "./connection.ts"
import { type ExchangeContext, forwardExchange } from "./exchange.ts"
import { type Refusal, renderMessage, sendRefusal, writeRefusal } from "./refusal.ts"
import type { WireProblem } from "./strict-head.ts"
import { StrictSocket } from "./strict-socket.ts"
import { parseTarget } from "./target.ts"
import { carryWebSocket } from "./websocket.ts"

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
  const answers: Answers = new WeakMap()
  const front: HttpFront = {
    accept: (socket, connection) => {
      const strict: StrictSocket = new StrictSocket(socket, (problem) =>
        breakOff(strict, answers.get(strict), problem, context),
      )
      connections.set(strict, connection)
      server.emit("connection", strict)
    },
    onConnect: (_incoming, socket) => socket.destroy(),
  }
  server.on("request", (incoming, outgoing) => {
    const connection = connections.get(incoming.socket)
    answers.set(incoming.socket, outgoing)
    if (connection) answer(incoming, outgoing, connection, context)
    else outgoing.destroy()
  })
  server.on("connect", (incoming, socket, head) => {
    const connection = connections.get(socket)
    if (!connection || !(socket instanceof StrictSocket)) return void socket.destroy()
    if (formOf(connection) === "absolute") return front.onConnect(incoming, socket.inner, head, connection)
    const message = "CONNECT is for the proxy's own port, not for one that was redirected to it"
    return writeRefusal(socket.inner, refusal(400, "proxy/bad-target", message, context))
  })
  server.on("upgrade", (incoming, socket) => {
    const connection = connections.get(socket)
    if (!connection || !(socket instanceof StrictSocket)) return void socket.destroy()
    const target = parseTarget(incoming, connection.scheme, formOf(connection))
    if ("problem" in target)
      return writeRefusal(socket.inner, refusal(400, "proxy/bad-target", target.problem, context))
    return void carryWebSocket({ incoming, socket: socket.inner, connection, target }, context)
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET") return void socket.destroy()
    const status = error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400
    const message = `not a valid request: ${error.message}`
    return writeRefusal(socket, refusal(status, "proxy/bad-request", message, context))
  })
  return front
}

/** The last answer that was begun on a connection. */
type Answers = WeakMap<object, ServerResponse>

/** A message that cannot be read is the last one: what came before it is still answered, it itself is refused. */
function breakOff(
  strict: StrictSocket,
  last: ServerResponse | undefined,
  { status, problem }: WireProblem,
  context: ExchangeContext,
): void {
  const text = renderMessage(refusal(status, "proxy/bad-request", problem, context))
  const pending = last !== undefined && !last.writableFinished && !last.destroyed
  if (pending && last.req.complete) last.once("close", () => strict.destroyed || strict.refuse(text))
  else if (pending && last.headersSent) strict.inner.resetAndDestroy()
  else strict.refuse(text)
}

function formOf(connection: Connection): "absolute" | "origin" {
  return connection.via === "explicit" && connection.scheme === "http" ? "absolute" : "origin"
}

function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  connection: Connection,
  context: ExchangeContext,
): void {
  // byte for byte: what the host did not say is not said here
  outgoing.sendDate = false
  const target = parseTarget(incoming, connection.scheme, formOf(connection))
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

function refusal(
  status: Refusal["status"],
  rule: string,
  message: string,
  { nowMs }: Pick<ExchangeContext, "nowMs">,
): Refusal {
  const hint = "send plain HTTP/1.1 with one Host header, through the proxy or to port 80 or 443"
  return { status, rule, message, hint, exchange: newIdentifier(nowMs()) }
}
