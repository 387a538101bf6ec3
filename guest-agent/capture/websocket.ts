/**
 * A WebSocket of a client, carried to the host as an extended CONNECT (RFC 8441). The client's handshake ends
 * here; what follows is passed on as it is, and the host takes it frame by frame.
 */

import { createHash, type Hash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2"
import type { Socket } from "node:net"
import { reasonOf } from "../../contract/fault.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import type { Envelope } from "../../contract/uplink.ts"
import { type Connection, cut } from "./connection.ts"
import { claims, type ExchangeContext } from "./exchange.ts"
import { toHttp1Headers, toHttp2Headers } from "./headers.ts"
import { type HostAnswer, passOn } from "./pass-on.ts"
import { writeRefusal } from "./refusal.ts"
import type { Target } from "./target.ts"

export interface WebSocketRequest {
  readonly incoming: IncomingMessage
  /** What the handshake came by and the frames go by. */
  readonly socket: Socket
  readonly connection: Connection
  readonly target: Target
}

/** RFC 6455 1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/
/** Of the handshake between client and proxy; the host makes its own with the upstream, without extensions. */
const OWN = new Set(["sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"])
const MAX_REFUSAL_BYTES = 65_536

/** Resolves when it is over and reported. */
export async function carryWebSocket(request: WebSocketRequest, context: ExchangeContext): Promise<void> {
  const { incoming, socket, connection } = request
  const startedAtMs = context.nowMs()
  const id = newIdentifier(startedAtMs)
  socket.on("error", () => socket.destroy())
  const key = readKey(incoming)
  if (key === null) {
    const message = "a WebSocket's handshake needs one Sec-WebSocket-Key and Sec-WebSocket-Version 13"
    const hint = "see RFC 6455, section 4.1"
    return writeRefusal(socket, { status: 400, rule: "proxy/bad-handshake", message, hint, exchange: id })
  }
  const process = await connection.caller
  let stream: ClientHttp2Stream
  try {
    const session = await context.gateway.acquire(false)
    stream = session.request(headersOf(request, claims(id, process, connection.serverName)), false)
    stream.once("response", () => session.noteAlive())
  } catch (thrown) {
    const message = `the gateway cannot be asked, so nothing leaves this machine: ${reasonOf(thrown)}`
    const hint = "on the host: stereo doctor; then try again"
    return writeRefusal(socket, { status: 503, rule: "gateway/unreachable", message, hint, exchange: id })
  }
  const ended = await converse(stream, request, key)
  const { target } = request
  const place = { method: "GET", authority: target.authority, path: target.path }
  context.report({
    id,
    startedAtMs,
    endedAtMs: context.nowMs(),
    via: connection.via,
    process,
    ...place,
    ...ended,
  })
}

function readKey({ headersDistinct }: IncomingMessage): string | null {
  const [key, ...moreKeys] = headersDistinct["sec-websocket-key"] ?? []
  const [version, ...moreVersions] = headersDistinct["sec-websocket-version"] ?? []
  const good = moreKeys.length === 0 && moreVersions.length === 0 && version === "13"
  return good && key !== undefined && KEY.test(key) ? key : null
}

function headersOf({ incoming, target }: WebSocketRequest, claimed: Readonly<Record<string, string>>) {
  const own = Object.entries(toHttp2Headers(incoming.rawHeaders)).filter(([name]) => !OWN.has(name))
  return {
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":scheme": target.scheme,
    ":authority": target.authority,
    ":path": target.path,
    ...Object.fromEntries(own),
    ...claimed,
  }
}

type Ended = Pick<
  Envelope,
  "status" | "requestSha256" | "requestBytes" | "responseSha256" | "responseBytes" | "outcome"
>

/** Both directions until one of them is over. */
function converse(stream: ClientHttp2Stream, request: WebSocketRequest, key: string): Promise<Ended> {
  const { socket, connection } = request
  const up = new Tally()
  const down = new Tally()
  let status: number | null = null
  let refused: HostAnswer | null = null
  return new Promise((resolve) => {
    const settle = (outcome: Envelope["outcome"]): void =>
      resolve({
        status: status === 200 ? 101 : status,
        requestSha256: up.digest(),
        requestBytes: up.bytes,
        responseSha256: down.digest(),
        responseBytes: down.bytes,
        outcome,
      })
    socket.once("close", () => {
      settle("client-aborted")
      if (!stream.closed) stream.destroy(new DOMException("the client has gone", "AbortError"))
    })
    stream.on("response", (fields: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) => {
      status = Number(fields[":status"])
      if (status !== 200) {
        refused = { status, rawHeaders, body: Buffer.alloc(0) }
        return void stream.end()
      }
      socket.write(renderSwitch(key, rawHeaders), "latin1")
      socket.on("data", (chunk: Buffer) => up.add(chunk))
      return void socket.pipe(stream)
    })
    stream.on("data", (chunk: Buffer) => {
      down.add(chunk)
      if (refused) {
        if (down.bytes <= MAX_REFUSAL_BYTES)
          refused = { ...refused, body: Buffer.concat([refused.body, chunk]) }
      } else if (!socket.write(chunk)) {
        stream.pause()
        socket.once("drain", () => stream.resume())
      }
    })
    let ended = false
    stream.once("end", () => {
      ended = true
    })
    // what goes wrong is told by 'close', too; unheard, it would end the program
    stream.on("error", () => undefined)
    stream.on("close", () => {
      // not `aborted`: to Node it is so already when the host ends before we do, which is how a WebSocket ends
      const whole = ended && !stream.rstCode && status !== null
      settle(whole ? "complete" : "gateway-aborted")
      if (refused && whole) passOn(socket, refused)
      else if (whole) socket.end()
      else cut(connection)
    })
  })
}

function renderSwitch(key: string, rawHeaders: readonly string[]): string {
  const accept = createHash("sha1").update(`${key}${ACCEPT_SUFFIX}`).digest("base64")
  const lines = ["HTTP/1.1 101 Switching Protocols", "connection: Upgrade", "upgrade: websocket"]
  const headers = toHttp1Headers(rawHeaders)
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (!OWN.has(headers[index] ?? "")) lines.push(`${headers[index]}: ${headers[index + 1]}`)
  }
  return [...lines, `sec-websocket-accept: ${accept}`, "", ""].join("\r\n")
}

/** Counts and digests one direction. */
class Tally {
  bytes = 0
  readonly #hash: Hash = createHash("sha256")

  add(chunk: Buffer): void {
    this.bytes += chunk.length
    this.#hash.update(chunk)
  }

  digest(): string {
    return this.#hash.copy().digest("hex")
  }
}
