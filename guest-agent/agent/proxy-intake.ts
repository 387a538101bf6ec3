/**
 * The socket by which the capture proxy talks to the agent, over HTTP/2.
 *
 * | request | answer |
 * |---|---|
 * | POST /envelopes, as on the uplink | 204 once they are spooled |
 * | GET /caller?inode=N&uid=N | the process that has that socket open, or null |
 */

import { chmod, rm } from "node:fs/promises"
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2"
import { reasonOf } from "../../contract/fault.ts"
import type { Envelope } from "../../contract/uplink.ts"

const MAX_BODY_BYTES = 1_048_576

export interface ProxyHandlers {
  readonly append: (envelopes: readonly Envelope[]) => Promise<void>
  readonly findCaller: (inode: string, uid: number) => Envelope["process"]
  readonly log: (line: string) => void
}

/** Who may connect is decided by the socket's mode: its group is this program's, which is the capture proxy's. */
export async function listenForProxy(path: string, handlers: ProxyHandlers): Promise<Http2Server> {
  const { log } = handlers
  const server = createServer()
  server.on("sessionError", (error) => log(`proxy session ended: ${reasonOf(error)}`))
  server.on("stream", (stream, headers) => {
    stream.on("error", (error) => log(`proxy stream ended: ${reasonOf(error)}`))
    answer(stream, `${headers[":method"]} ${headers[":path"]}`, handlers).catch((thrown) => {
      log(`the proxy's request was refused: ${reasonOf(thrown)}`)
      respond(stream, 400)
    })
  })
  await rm(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o660)
  return server
}

async function answer(stream: ServerHttp2Stream, asked: string, handlers: ProxyHandlers): Promise<void> {
  if (asked === "POST /envelopes") return respond(stream, await take(stream, handlers.append))
  const [, inode, uid] = /^GET \/caller\?inode=(\d{1,20})&uid=(\d{1,10})$/.exec(asked) ?? []
  if (inode === undefined) return respond(stream, 404)
  respond(stream, 200, JSON.stringify(handlers.findCaller(inode, Number(uid))))
}

async function take(
  stream: ServerHttp2Stream,
  append: (envelopes: readonly Envelope[]) => Promise<void>,
): Promise<number> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) return 413
    chunks.push(chunk)
  }
  // the capture proxy may be anybody's by now: an id becomes a file name here, the host checks the rest
  const envelopes: Envelope[] = JSON.parse(Buffer.concat(chunks).toString())
  if (!Array.isArray(envelopes) || !envelopes.every((one) => /^[0-9a-z]{26}$/.test(String(one?.id))))
    return 400
  await append(envelopes)
  return 204
}

function respond(stream: ServerHttp2Stream, status: number, body?: string): void {
  if (stream.destroyed) return
  stream.resume()
  stream.respond({ ":status": status }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
}
