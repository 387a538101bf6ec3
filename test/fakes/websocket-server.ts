/** A real WebSocket server on a raw socket, which also does wrong whatever a test wants done wrong. */

import { createHash } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { type Frame, FrameReader } from "../../host-proxy/websocket/frame-reader.ts"
import { renderFrame } from "../../host-proxy/websocket/render-frame.ts"

export interface WebSocketServerOptions {
  /** Lines of the answer to the handshake; the default agrees, and picks the last subprotocol offered. */
  readonly answer?: (head: SeenHandshake) => string
  /** Bytes that follow the answer at once. */
  readonly greet?: Buffer
  /** What is sent for a frame; the default echoes messages, answers pings, and closes when told to. */
  readonly onFrame?: (frame: Frame, socket: Socket) => void
}

export interface SeenHandshake {
  /** Request line and headers as they came. */
  readonly text: string
  readonly key: string
  readonly protocols: readonly string[]
}

export interface FakeWebSocketServer extends AsyncDisposable {
  readonly url: string
  readonly handshakes: readonly SeenHandshake[]
  readonly frames: readonly Frame[]
}

export async function openWebSocketServer(
  options: WebSocketServerOptions = {},
): Promise<FakeWebSocketServer> {
  const handshakes: SeenHandshake[] = []
  const frames: Frame[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    let head = ""
    const reader = new FrameReader(true)
    socket.on("data", (chunk: Buffer) => {
      if (!head.includes("\r\n\r\n")) {
        head += chunk.toString("latin1")
        if (!head.includes("\r\n\r\n")) return
        const seen = readHandshake(head)
        handshakes.push(seen)
        socket.write((options.answer ?? agree)(seen))
        if (options.greet) socket.write(options.greet)
        return
      }
      for (const frame of reader.feed(chunk)) {
        frames.push(frame)
        const react = options.onFrame ?? echo
        react(frame, socket)
      }
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    handshakes,
    frames,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

/** The answer that RFC 6455 asks for, with more lines if wanted. */
export function agree({ key, protocols }: SeenHandshake, more: readonly string[] = []): string {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
  const chosen = protocols.at(-1)
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
  if (chosen !== undefined) lines.push(`Sec-WebSocket-Protocol: ${chosen}`)
  return [...lines, `Sec-WebSocket-Accept: ${accept}`, ...more, "", ""].join("\r\n")
}

function echo(frame: Frame, socket: Socket): void {
  if (frame.opcode === 8) socket.end(renderFrame(frame, null))
  else if (frame.opcode === 9) socket.write(renderFrame({ ...frame, opcode: 10 }, null))
  else if (frame.opcode !== 10) socket.write(renderFrame(frame, null))
}

function readHandshake(text: string): SeenHandshake {
  const value = (name: string) => new RegExp(`^${name}: *(.*)\r$`, "im").exec(text)?.[1] ?? ""
  const protocols = value("sec-websocket-protocol")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
  return { text, key: value("sec-websocket-key"), protocols }
}
