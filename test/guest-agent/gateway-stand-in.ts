/** A stand-in for the host's end of the egress wire: real HTTP/2 on a unix socket, and it can die. */

import { createHash } from "node:crypto"
import { rmSync } from "node:fs"
import { type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Stream } from "node:http2"
import { createServer, type Server, type Socket } from "node:net"
import { awaitPreface } from "../../host-proxy/guest/await-preface.ts"

export interface SeenRequest {
  readonly headers: IncomingHttpHeaders
  readonly stream: ServerHttp2Stream
  /** The request's body, once it has ended. */
  readonly body: Promise<Buffer>
}

export class GatewayStandIn implements AsyncDisposable {
  readonly seen: SeenRequest[] = []
  /** Answers each request; the tests replace it. */
  onRequest: (request: SeenRequest) => void = ({ stream }) =>
    stream.respond({ ":status": 200 }, { endStream: true })
  readonly #path: string
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null

  constructor(path: string) {
    this.#path = path
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket))
    this.#server = server
    rmSync(this.#path, { force: true })
    await new Promise<void>((resolve) => server.listen(this.#path, resolve))
  }

  /** As kill -9 would: nothing is said to anybody. */
  async die(): Promise<void> {
    const server = this.#server
    this.#server = null
    for (const socket of this.#sockets) socket.destroy()
    if (server) await new Promise((resolve) => server.close(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die()
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.once("close", () => this.#sockets.delete(socket))
    socket.on("error", () => socket.destroy())
    if (!(await awaitPreface(socket))) return
    const session = performServerHandshake(socket)
    session.on("error", () => socket.destroy())
    session.on("close", () => socket.destroy())
    session.on("stream", (stream, headers) => {
      const chunks: Buffer[] = []
      stream.on("error", () => stream.destroy())
      stream.on("data", (chunk: Buffer) => chunks.push(chunk))
      const body = new Promise<Buffer>((resolve) => stream.once("end", () => resolve(Buffer.concat(chunks))))
      const request = { headers, stream, body }
      this.seen.push(request)
      this.onRequest(request)
    })
  }
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
