/** A stand-in for QEMU and the guest: an HTTP/2 client on egress.sock, servers of the control and uplink ports. */

import { createHash } from "node:crypto"
import { once } from "node:events"
import { type ClientHttp2Session, connect, performServerHandshake, type ServerHttp2Stream } from "node:http2"
import { createConnection, createServer, type Socket } from "node:net"
import type { MachineHome } from "../../contract/home.ts"
import type { Measured, MeasurementLine } from "../../contract/measurement.ts"
import type { Envelope } from "../../contract/uplink.ts"
import { MEASUREMENT_EVERY_MS } from "../../contract/wire.ts"
import { FAKE_MEASURED } from "./measured.ts"

export interface GuestRequest {
  readonly method?: string
  readonly scheme?: string
  readonly authority: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: Buffer | string
}

export interface GuestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly sha256: string
  /** The answer's end came in good order. */
  readonly complete: boolean
}

/** Sees a chunk and how many bytes came so far; false cuts the stream. */
export type OnChunk = (chunk: Buffer, cameBytes: number) => boolean

/** The guest's one connection on the egress wire. */
export async function openGuestEgress(socketPath: string): Promise<GuestEgress> {
  const session = connect("http://gateway", { createConnection: () => createConnection(socketPath) })
  session.on("error", () => session.destroy())
  await once(session, "connect")
  return new GuestEgress(session)
}

export class GuestEgress implements Disposable {
  readonly session: ClientHttp2Session

  constructor(session: ClientHttp2Session) {
    this.session = session
  }

  /** Sends a request and gathers the answer. */
  send(request: GuestRequest, onChunk: OnChunk = () => true): Promise<GuestAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<GuestAnswer>()
    const stream = this.session.request({
      ":method": request.method ?? "POST",
      ...(request.method === "CONNECT"
        ? {}
        : { ":scheme": request.scheme ?? "https", ":path": request.path ?? "/" }),
      ":authority": request.authority,
      ...request.headers,
    })
    const parts: Buffer[] = []
    let cameBytes = 0
    let head: Record<string, string | string[] | undefined> = {}
    let complete = false
    stream.on("response", (headers) => {
      head = Object.fromEntries(Object.entries(headers)) as typeof head // only :status is a number
    })
    stream.on("data", (chunk: Buffer) => {
      parts.push(chunk)
      cameBytes += chunk.length
      if (!onChunk(chunk, cameBytes)) stream.close(8)
    })
    stream.on("end", () => {
      complete = stream.rstCode === 0
    })
    stream.on("error", (failure) => {
      if (head[":status"] === undefined) reject(failure)
    })
    stream.on("close", () => {
      const body = Buffer.concat(parts)
      const sha256 = createHash("sha256").update(body).digest("hex")
      resolve({
        status: Number(head[":status"]),
        headers: head,
        body,
        sha256,
        complete: complete && stream.rstCode === 0,
      })
    })
    stream.end(request.body)
    return promise
  }

  [Symbol.dispose](): void {
    this.session.destroy()
  }
}

/**
 * The guest's agent: answers the control wire as a server on what QEMU would listen on. It measures itself to be
 * what the lab's image promises, unless told to be something else.
 */
export async function openGuestControl(
  home: MachineHome,
  measured: Measured = FAKE_MEASURED,
): Promise<GuestControl> {
  const identities: unknown[] = []
  const told = new Set<ServerHttp2Stream>()
  const state: FakeAgent = { identities, told, measured }
  const tell = (line: MeasurementLine) => {
    for (const stream of told) stream.write(`${JSON.stringify(line)}\n`)
  }
  const alive = setInterval(() => tell({ kind: "alive" }), MEASUREMENT_EVERY_MS).unref()
  const silences = new Set<() => void>()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => sockets.delete(socket))
    const session = performServerHandshake(socket)
    session.on("error", () => session.destroy())
    let silent = false
    silences.add(() => {
      silent = true
    })
    session.on("stream", (stream, headers) => {
      stream.on("error", () => stream.close())
      if (!silent) void answerControl(stream, headers, state)
    })
  })
  server.listen(home.controlSocket)
  await once(server, "listening")
  return {
    identities,
    tell,
    become(next) {
      state.measured = next
    },
    restart() {
      identities.length = 0
      state.measured = { ...state.measured, agentId: `${state.measured.agentId}+` }
      for (const silence of silences) silence()
    },
    dropConnections: () => {
      for (const socket of sockets) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      clearInterval(alive)
      if (!server.listening) return
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, "close")
    },
  }
}

interface FakeAgent {
  readonly identities: unknown[]
  /** Those who asked to be told of measurements. */
  readonly told: Set<ServerHttp2Stream>
  measured: Measured
}

export interface GuestControl extends AsyncDisposable {
  /** Says a line to everybody who follows the measurements. */
  tell(line: MeasurementLine): void
  /** Measures itself to be this from the next question on. */
  become(measured: Measured): void
  /** Every identity that was put. */
  readonly identities: readonly unknown[]
  dropConnections(): void
  /** As a restarted agent: it knows nothing of its identity, and the old session is answered no more. */
  restart(): void
}

async function answerControl(
  stream: ServerHttp2Stream,
  headers: Readonly<Record<string, unknown>>,
  { identities, told, measured }: FakeAgent,
): Promise<void> {
  const asked = `${headers[":method"]} ${headers[":path"]}`
  if (asked === "POST /echo") {
    stream.respond({ ":status": 200 })
    stream.pipe(stream)
    return
  }
  if (asked === "GET /measurements") {
    stream.respond({ ":status": 200 })
    stream.write(`${JSON.stringify(measured)}\n`)
    told.add(stream)
    stream.once("close", () => told.delete(stream))
    return
  }
  const parts: Buffer[] = []
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) parts.push(chunk as Buffer)
  if (asked === "PUT /identity") {
    identities.push(JSON.parse(Buffer.concat(parts).toString("utf8")))
    stream.respond({ ":status": 204 }, { endStream: true })
  } else if (asked === "GET /health") {
    const identified = identities.length > 0
    stream.respond({ ":status": 200, "content-type": "application/json" })
    stream.end(
      JSON.stringify({ bootId: "fake-boot", uptimeMs: 1, firewall: true, capture: true, identified }),
    )
  } else {
    stream.respond({ ":status": 404 }, { endStream: true })
  }
}

/** The guest's agent as the uplink's client, behind the socket that QEMU would listen on. */
export async function openGuestUplink(home: MachineHome): Promise<GuestUplink> {
  const server = createServer()
  server.listen(home.uplinkSocket)
  await once(server, "listening")
  return {
    async deliver(batch) {
      const [socket] = (await once(server, "connection")) as [Socket]
      const session = connect("http://host", { createConnection: () => socket })
      session.on("error", () => session.destroy())
      const stream = session.request({ ":method": "POST", ":path": "/envelopes" })
      stream.end(JSON.stringify(batch))
      const [headers] = await once(stream, "response")
      session.destroy()
      return Number(headers[":status"])
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, "close")
    },
  }
}

export interface GuestUplink extends AsyncDisposable {
  /** Waits for the host's next connection, sends one batch over it, and gives the answer's status. */
  deliver(batch: readonly Envelope[]): Promise<number>
}
