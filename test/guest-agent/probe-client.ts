/**
 * A client run inside the lab's guest: makes one request as told by a JSON argument, and prints what happens as
 * JSON lines, chunk by chunk.
 */

import { Resolver } from "node:dns/promises"
import {
  type ClientRequest,
  type OutgoingHttpHeaders,
  request as plainRequest,
  type RequestOptions,
} from "node:http"
import { request as secureRequest } from "node:https"
import { connect } from "node:net"
import type { Duplex } from "node:stream"
import { connect as connectTls } from "node:tls"

export interface ProbeSpec {
  readonly url?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
  /** A body of so many bytes, the number of each byte modulo 251. */
  readonly bodyBytes?: number
  /** Through the explicit proxy: CONNECT for https, absolute-form for http. */
  readonly proxy?: boolean
  /** So many redirects are followed, with method, headers and body for a 307. */
  readonly follow?: number
  /** Send another name in TLS than the URL's. */
  readonly serverName?: string
  /** Destroys the connection after the first chunk. */
  readonly abortAfterChunk?: boolean
  /** Bytes for a plain TCP connection instead of a request. */
  readonly raw?: { readonly host: string; readonly port: number; readonly bytes: string }
  /** A question to the resolver instead of a request. */
  readonly resolve?: { readonly name: string; readonly type: string }
}

export type ProbeEvent =
  | { readonly head: { readonly status: number; readonly headers: Readonly<Record<string, unknown>> } }
  | { readonly chunk: string }
  | { readonly end: true }
  | { readonly error: string }
  | { readonly resolved: unknown }

const spec: ProbeSpec = JSON.parse(process.argv[2] ?? "{}")
const print = (event: ProbeEvent): boolean => process.stdout.write(`${JSON.stringify(event)}\n`)
const fail = (error: NodeJS.ErrnoException): boolean => print({ error: error.code ?? error.message })

if (spec.resolve) void resolve(spec.resolve)
else if (spec.raw) raw(spec.raw)
else if (spec.proxy && spec.url?.startsWith("https:")) tunnel(new URL(spec.url))
else send(new URL(spec.url ?? ""), null)

async function resolve({ name, type }: { name: string; type: string }): Promise<void> {
  const resolver = new Resolver({ tries: 1, timeout: 3000 })
  resolver.setServers(["127.0.0.1"])
  try {
    print({ resolved: await resolver.resolve(name, type) })
  } catch (thrown) {
    print({ error: thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown) })
  }
}

function raw({ host, port, bytes }: { host: string; port: number; bytes: string }): void {
  const socket = connect({ host, port, allowHalfOpen: true }, () => socket.write(bytes, "latin1"))
  socket.on("data", (chunk) => print({ chunk: chunk.toString("base64") }))
  socket.on("end", () => socket.end() && print({ end: true }))
  socket.on("error", fail)
}

function tunnel(url: URL): void {
  const authority = `${url.hostname}:${url.port || 443}`
  const asked = plainRequest({ host: "127.0.0.1", port: 3128, method: "CONNECT", path: authority })
  asked.on("error", fail)
  asked.on("connect", (response, socket, head) => {
    if (response.statusCode !== 200) {
      print({ head: { status: response.statusCode ?? 0, headers: response.headers } })
      if (head.length > 0) print({ chunk: head.toString("base64") })
      socket.on("data", (chunk) => print({ chunk: chunk.toString("base64") }))
      socket.on("end", () => print({ end: true }))
      return
    }
    const servername = spec.serverName ?? url.hostname
    const secure = connectTls({ socket, servername, checkServerIdentity: () => undefined })
    secure.on("error", fail)
    secure.once("secureConnect", () => send(url, secure))
  })
  asked.end()
}

function send(url: URL, over: Duplex | null, follow = spec.follow ?? 0): void {
  const headers: OutgoingHttpHeaders = {
    host: url.host,
    ...(spec.headers as OutgoingHttpHeaders | undefined),
  }
  const options = {
    method: spec.method ?? "GET",
    headers,
    path: spec.proxy && !over ? url.href : `${url.pathname}${url.search}`,
  }
  const sent = open(url, options, over)
  sent.on("error", fail)
  sent.on("response", (response) => {
    const { location } = response.headers
    if (follow > 0 && location !== undefined) {
      response.resume()
      return send(new URL(location, url), null, follow - 1)
    }
    print({ head: { status: response.statusCode ?? 0, headers: response.headers } })
    response.on("data", (chunk) => {
      print({ chunk: chunk.toString("base64") })
      if (spec.abortAfterChunk) sent.destroy()
    })
    response.on("end", () => print({ end: true }))
    response.on("error", fail)
  })
  if (spec.bodyBytes !== undefined)
    sent.end(Buffer.alloc(spec.bodyBytes, Buffer.from([...Array(251).keys()])))
  else sent.end(spec.body)
}

function open(url: URL, options: RequestOptions, over: Duplex | null): ClientRequest {
  if (over) return plainRequest({ ...options, createConnection: () => over })
  if (spec.proxy) return plainRequest({ ...options, host: "127.0.0.1", port: 3128, agent: false })
  const port = url.port === "" ? null : Number(url.port)
  if (url.protocol === "http:") return plainRequest({ ...options, host: url.hostname, port, agent: false })
  const servername = spec.serverName ?? url.hostname
  return secureRequest({
    ...options,
    host: url.hostname,
    agent: false,
    servername,
    checkServerIdentity: () => undefined,
  })
}
