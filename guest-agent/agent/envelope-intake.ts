/** The socket by which the capture proxy hands over its envelopes: HTTP/2, `POST /envelopes` as on the uplink. */

import { chmod, chown, rm } from "node:fs/promises"
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2"
import { reasonOf } from "../../contract/fault.ts"
import type { Envelope } from "../../contract/uplink.ts"
import { GUEST_USERS } from "../../contract/wire.ts"

const MAX_BODY_BYTES = 1_048_576

/** Who may connect is decided by the socket's owner and mode: the capture proxy and root. */
export async function listenForEnvelopes(
  path: string,
  append: (envelopes: readonly Envelope[]) => Promise<void>,
  log: (line: string) => void,
): Promise<Http2Server> {
  const server = createServer()
  server.on("sessionError", (error) => log(`envelope session ended: ${reasonOf(error)}`))
  server.on("stream", (stream, headers) => {
    stream.on("error", (error) => log(`envelope stream ended: ${reasonOf(error)}`))
    const known = headers[":method"] === "POST" && headers[":path"] === "/envelopes"
    const taken = known ? take(stream, append) : Promise.resolve(404)
    taken.then(
      (status) => answer(stream, status),
      (thrown) => {
        log(`envelopes refused: ${reasonOf(thrown)}`)
        answer(stream, 400)
      },
    )
  })
  await rm(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(path, resolve)
  })
  await chown(path, GUEST_USERS.capture.uid, GUEST_USERS.root.uid)
  await chmod(path, 0o600)
  return server
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

function answer(stream: ServerHttp2Stream, status: number): void {
  if (!stream.destroyed) stream.respond({ ":status": status }, { endStream: true })
}
