/** The control wire's guest side: one HTTP/2 session, its routes, and structured errors. */

import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2"
import type { Duplex } from "node:stream"
import type { GuestHealth } from "../../contract/control.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { MeasurementLine } from "../../contract/measurement.ts"

export interface ControlHandlers {
  readonly health: () => Promise<GuestHealth>
  /** Takes the body of `PUT /identity`, parsed as JSON. */
  readonly identify: (body: unknown) => Promise<void>
  /** `nft -j list ruleset`. */
  readonly firewall: () => Promise<Buffer>
  /** Tells all that is measured and then each change, until what it returns is called. */
  readonly measure: (tell: (line: MeasurementLine) => void) => () => void
  /** Owns the stream from here on. */
  readonly ssh: (stream: Duplex, user: "agent" | "root") => void
  readonly shutdown: () => void
  readonly log: (line: string) => void
}

const MAX_BODY_BYTES = 1_048_576
/** An HTTP/2 client begins with this; a host that reconnects quickly shows up as nothing else. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

export function isControlStart(chunk: Buffer): boolean {
  return chunk.length >= PREFACE.length && chunk.subarray(0, PREFACE.length).equals(PREFACE)
}

export function serveControl(stream: Duplex, handlers: ControlHandlers): ServerHttp2Session {
  const session = performServerHandshake(stream, { settings: { initialWindowSize: 1_048_576 } })
  session.on("error", (error) => handlers.log(`control session ended: ${reasonOf(error)}`))
  stream.once("close", () => session.destroy())
  session.on("stream", (request, headers) => {
    // the host resets a stream when whoever asked has gone; its close says the same
    request.on("error", () => request.destroy())
    answer(request, headers, handlers).catch((thrown) => fail(request, thrown))
  })
  return session
}

async function answer(
  request: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handlers: ControlHandlers,
): Promise<void> {
  const route = `${headers[":method"]} ${headers[":path"]}`
  switch (route) {
    case "GET /health":
      return reply(request, 200, JSON.stringify(await handlers.health()))
    case "GET /firewall":
      return reply(request, 200, await handlers.firewall())
    case "GET /measurements":
      return tellMeasurements(request, handlers.measure)
    case "PUT /identity":
      await handlers.identify(parseJson(await readBody(request)))
      return reply(request, 204)
    case "POST /ssh/agent":
    case "POST /ssh/root":
      request.respond({ ":status": 200 })
      return handlers.ssh(request, route === "POST /ssh/root" ? "root" : "agent")
    case "POST /shutdown":
      reply(request, 202)
      return handlers.shutdown()
    default:
      throw new Fault("agent/no-route", `no such request on the control wire: ${route}`)
  }
}

/** A host that does not read is behind by lines, not by the memory of this guest: then the stream ends. */
const MAX_UNREAD_BYTES = 4_194_304

function tellMeasurements(request: ServerHttp2Stream, measure: ControlHandlers["measure"]): void {
  request.respond({ ":status": 200, "content-type": "application/x-ndjson" })
  const stop = measure((line) => {
    if (request.destroyed || request.writableLength > MAX_UNREAD_BYTES) request.close()
    else request.write(`${JSON.stringify(line)}\n`)
  })
  request.once("close", stop)
}

function reply(request: ServerHttp2Stream, status: number, body?: string | Buffer): void {
  if (request.destroyed) return
  request.resume()
  request.respond(
    { ":status": status, "content-type": "application/json" },
    { endStream: body === undefined },
  )
  if (body !== undefined) request.end(body)
}

function fail(request: ServerHttp2Stream, thrown: unknown): void {
  const fault = thrown instanceof Fault ? thrown : new Fault("agent/unexpected", reasonOf(thrown))
  const status = fault.code === "agent/no-route" ? 404 : fault.code.startsWith("agent/bad-") ? 400 : 500
  const body = { error: { code: fault.code, message: fault.message, hint: fault.hint ?? null } }
  if (request.headersSent) request.close(constants.NGHTTP2_INTERNAL_ERROR)
  else reply(request, status, JSON.stringify(body))
}

async function readBody(request: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Fault("agent/bad-body", `the body is over ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw new Fault("agent/bad-body", `the body is not JSON: ${reasonOf(cause)}`, { cause })
  }
}
