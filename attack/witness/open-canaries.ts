/** Servers that nobody should ever reach: TCP, TLS, HTTP and UDP on one port each, and every byte is kept. */

import { createSocket, type Socket as UdpSocket } from "node:dgram"
import { once } from "node:events"
import { createServer, type Server, type Socket } from "node:net"
import { createSecureContext, TLSSocket } from "node:tls"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { Touch } from "../evidence.ts"

export interface CanaryPlace {
  /** An address, or `::` for every one. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  /** Plays the allowed hosts: host.toml names it as their upstream. */
  readonly upstream?: boolean
}

export interface CanaryOptions {
  readonly places: readonly CanaryPlace[]
  /** For a real TLS server; without it only the beginning of a handshake is seen. */
  readonly tls: { readonly certificate: string; readonly key: string } | null
}

export interface Canaries extends AsyncDisposable {
  readonly touches: () => readonly Touch[]
  /** The first place's port. */
  readonly port: number
  /** Forgets what came so far. */
  readonly clear: () => void
}

const KEPT_BYTES = 65_536
/** A flood of touches tells no more than its beginning. */
const MAX_TOUCHES = 10_000

interface OpenTouch {
  readonly protocol: Touch["protocol"]
  readonly address: string
  readonly port: number
  text: string
}

/** Fault: `attack/cannot-listen`. */
export async function openCanaries({ places, tls }: CanaryOptions): Promise<Canaries> {
  const touches: OpenTouch[] = []
  const sockets = new Set<Socket>()
  const open: (Server | UdpSocket)[] = []
  const keep = (touch: OpenTouch) => {
    if (touches.length < MAX_TOUCHES) touches.push(touch)
    return touch
  }
  let firstPort = 0
  for (const place of places) {
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      serve(socket, place, tls, keep)
    })
    const port = await listen(server, place)
    firstPort ||= port
    open.push(server, await listenUdp({ ...place, port }, keep))
  }
  return {
    touches: () => touches,
    port: firstPort,
    clear: () => touches.splice(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(open.map((one) => new Promise<void>((settle) => one.close(() => settle()))))
    },
  }
}

async function listen(server: Server, { address, port }: CanaryPlace): Promise<number> {
  server.listen({ host: address, port })
  await once(server, "listening").catch((thrown) => {
    throw new Fault("attack/cannot-listen", `no canary on ${address} port ${port}: ${reasonOf(thrown)}`, {
      hint: "name another address with --witness",
      cause: thrown,
    })
  })
  const bound = server.address()
  return typeof bound === "object" && bound !== null ? bound.port : port
}

async function listenUdp(place: CanaryPlace, keep: (touch: OpenTouch) => OpenTouch): Promise<UdpSocket> {
  const socket = createSocket(place.address.includes(":") ? "udp6" : "udp4")
  socket.on("message", (message) => {
    // which address was meant is not told of a datagram
    keep({ protocol: "udp", address: place.address, port: place.port, text: readable(message) })
  })
  socket.bind(place.port, place.address)
  await once(socket, "listening")
  return socket
}

type Keep = (touch: OpenTouch) => OpenTouch

function serve(socket: Socket, place: CanaryPlace, tls: CanaryOptions["tls"], keep: Keep): void {
  const address = (socket.localAddress ?? "").replace(/^::ffff:/, "")
  const port = socket.localPort ?? place.port
  const touch = keep({ protocol: place.upstream ? "upstream" : "tcp", address, port, text: "" })
  socket.on("error", () => socket.destroy())
  socket.once("data", (first) => {
    touch.text += readable(first)
    if (first[0] !== 0x16 || tls === null) return answer(socket, touch, first)
    socket.pause()
    socket.unshift(first)
    const context = createSecureContext({ cert: tls.certificate, key: tls.key })
    const secure = new TLSSocket(socket, { isServer: true, secureContext: context })
    secure.on("error", () => socket.destroy())
    // only what was said after the handshake: one that fails has told nothing
    secure.once("data", (chunk) =>
      answer(secure, keep({ protocol: "tls", address, port, text: readable(chunk) }), chunk),
    )
  })
}

/** HTTP gets an answer, which reflects the request where it asks for that; anything else is listened to. */
function answer(socket: Socket, touch: OpenTouch, first: Buffer): void {
  socket.on("data", (chunk) => {
    if (touch.text.length < KEPT_BYTES) touch.text += readable(chunk)
  })
  if (!/^[A-Z]+ \S+ HTTP\/1\.[01]\r\n/.test(first.toString("latin1"))) return
  const head = first.toString("latin1").split("\r\n\r\n", 1)[0] ?? ""
  const body = /^x-canary: *echo/im.test(head) ? JSON.stringify({ head }) : '{"canary":true}'
  const redirect = /^x-canary: *redirect=(\S+)/im.exec(head)?.[1]
  const status = redirect === undefined ? "200 OK" : "302 Found"
  const headers = [
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    ...(redirect === undefined ? [] : [`location: ${redirect}`]),
  ]
  // one request a connection: its first bytes are all that tell whose it is
  socket.end([`HTTP/1.1 ${status}`, ...headers, "", body].join("\r\n"))
}

function readable(bytes: Buffer): string {
  return bytes.subarray(0, KEPT_BYTES).toString("latin1")
}
