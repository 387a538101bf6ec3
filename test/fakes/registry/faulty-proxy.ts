/** Stands before a real registry as a reverse proxy does, and does on demand what goes wrong between the two. */

import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http"
import type { AddressInfo } from "node:net"

export interface Passed {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  /** Of the request's body, as far as it came. */
  sentBytes: number
  /** 0: no answer was given. */
  status: number
  /** Of the answer's body. */
  answeredBytes: number
}

/** What happens to a request, in place of being passed on unharmed. */
export type Mishap =
  /** The connection ends after so many bytes of the request's body; nothing of it reaches the registry. */
  | { readonly kind: "cut-request"; readonly afterBytes: number }
  /** The registry takes it, and the answer is lost. */
  | { readonly kind: "lose-answer" }
  /** The connection ends after so many bytes of the answer's body. */
  | { readonly kind: "cut-answer"; readonly afterBytes: number }
  /** After so many bytes of the answer's body nothing comes any more, and the connection stays. */
  | { readonly kind: "stall-answer"; readonly afterBytes: number }
  | {
      readonly kind: "answer"
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: Buffer | string
    }
  /** The answer's body is changed. */
  | {
      readonly kind: "change"
      readonly change: (body: Buffer) => Buffer
      readonly headers?: Record<string, string>
    }
  /** It is passed on later. */
  | { readonly kind: "delay"; readonly until: Promise<unknown> }
  /** The registry is shown what the client did not send. */
  | { readonly kind: "add-header"; readonly name: string; readonly value: string }
  /** The header of the request is not passed on. */
  | { readonly kind: "drop-header"; readonly name: string }

export interface FaultyProxy extends AsyncDisposable {
  readonly host: string
  readonly passed: readonly Passed[]
  /** Asked for each request; null: it is passed on. */
  mishap: (passed: Passed) => Mishap | null
}

/** Like nginx, it has the whole body of a request before it passes any of it on. */
export async function openFaultyProxy(target: string): Promise<FaultyProxy> {
  const passed: Passed[] = []
  const proxy = { mishap: (_passed: Passed): Mishap | null => null }
  const server = createServer((request, response) => {
    const entry: Passed = {
      ...{ method: request.method ?? "", path: request.url ?? "", headers: request.headers },
      ...{ sentBytes: 0, status: 0, answeredBytes: 0 },
    }
    passed.push(entry)
    handle(target, request, response, entry, proxy.mishap(entry)).catch(() => response.destroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // it listens on TCP
  return Object.assign(proxy, {
    host: `127.0.0.1:${port}`,
    passed,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  })
}

async function handle(
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  entry: Passed,
  mishap: Mishap | null,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) {
    entry.sentBytes += chunk.length
    if (mishap?.kind === "cut-request" && entry.sentBytes >= mishap.afterBytes) {
      request.socket.destroy()
      return
    }
    chunks.push(chunk)
  }
  if (mishap?.kind === "cut-request") request.socket.destroy()
  else if (mishap?.kind === "answer") {
    respond(response, entry, mishap.status, mishap.headers ?? {}, Buffer.from(mishap.body ?? ""))
  } else await passOn(target, Buffer.concat(chunks), response, entry, mishap)
}

async function passOn(
  target: string,
  body: Buffer,
  response: ServerResponse,
  entry: Passed,
  mishap: Mishap | null,
): Promise<void> {
  const [host, port] = target.split(":")
  const headers = { ...entry.headers, "content-length": String(body.length) }
  if (mishap?.kind === "delay") await mishap.until
  if (mishap?.kind === "add-header") Object.assign(headers, { [mishap.name]: mishap.value })
  if (mishap?.kind === "drop-header") Reflect.deleteProperty(headers, mishap.name)
  const upstream = send({ host, port, method: entry.method, path: entry.path, headers, agent: false })
  // a registry that refuses may do so before it has the body; its answer comes all the same
  upstream.on("error", () => undefined)
  upstream.end(body)
  const [answer] = (await once(upstream, "response")) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk)
  const whole = Buffer.concat(chunks)
  const status = answer.statusCode ?? 502
  const kept = answer.headers as Record<string, string> // the registry sends none twice
  if (mishap?.kind === "lose-answer") {
    response.destroy()
    return
  }
  if (mishap?.kind === "change") {
    const changed = mishap.change(whole)
    respond(
      response,
      entry,
      status,
      { ...kept, "content-length": String(changed.length), ...mishap.headers },
      changed,
    )
    return
  }
  if (mishap?.kind === "cut-answer" || mishap?.kind === "stall-answer") {
    entry.status = status
    response.writeHead(status, kept)
    entry.answeredBytes = Math.min(whole.length, mishap.afterBytes)
    response.write(whole.subarray(0, mishap.afterBytes), () => {
      if (mishap.kind === "cut-answer") setTimeout(() => response.destroy(), 50)
    })
    return
  }
  respond(response, entry, status, kept, whole)
}

function respond(
  response: ServerResponse,
  entry: Passed,
  status: number,
  headers: Record<string, string>,
  body: Buffer,
): void {
  entry.status = status
  entry.answeredBytes = entry.method === "HEAD" ? 0 : body.length
  response.writeHead(status, headers)
  response.end(entry.method === "HEAD" ? undefined : body)
}
