/** A request's body on its way to the host: counted, hashed, and kept for a while in case it must be sent again. */

import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { ClientHttp2Stream } from "node:http2"

export interface RequestBody {
  /** There is none, by the message's own headers. */
  readonly isEmpty: boolean
  /** Sends what has come, and from now on what comes. */
  readonly sendTo: (stream: ClientHttp2Stream) => void
  /** Stops sending; what comes waits. */
  readonly detach: () => void
  /** Everything so far can be sent again. */
  readonly isKept: () => boolean
  /** An answer has begun: it need not be kept any longer. */
  readonly release: () => void
  /** Reads what is left and throws it away, so that the connection can be used again. */
  readonly discard: () => void
  readonly digest: () => { readonly sha256: string; readonly bytes: number }
}

/** A longer body is sent once. */
const KEEP_BYTES = 2_097_152

export function readRequestBody(incoming: IncomingMessage): RequestBody {
  const hash = createHash("sha256")
  let bytes = 0
  let kept: Buffer[] | null = []
  let sink: ClientHttp2Stream | null = null
  let ended = false
  let discarding = false
  const isEmpty =
    incoming.headers["transfer-encoding"] === undefined &&
    Number(incoming.headers["content-length"] ?? 0) === 0

  const pass = (stream: ClientHttp2Stream, chunk: Buffer): void => {
    if (stream.destroyed || stream.write(chunk)) return
    incoming.pause()
    stream.once("drain", () => sink === stream && incoming.resume())
  }
  incoming.pause()
  incoming.on("data", (chunk: Buffer) => {
    if (discarding) return
    hash.update(chunk)
    bytes += chunk.length
    if (kept && bytes > KEEP_BYTES) kept = null
    kept?.push(chunk)
    if (sink) pass(sink, chunk)
  })
  incoming.on("end", () => {
    ended = true
    if (sink && !sink.destroyed) sink.end()
  })
  return {
    isEmpty,
    sendTo: (stream) => {
      sink = stream
      if (isEmpty) {
        incoming.resume()
        return
      }
      if (!ended) incoming.resume()
      for (const chunk of kept ?? []) pass(stream, chunk)
      if (ended) stream.end()
    },
    detach: () => {
      sink = null
      incoming.pause()
    },
    isKept: () => kept !== null,
    release: () => {
      kept = null
    },
    discard: () => {
      discarding = true
      sink = null
      incoming.resume()
    },
    digest: () => ({ sha256: hash.copy().digest("hex"), bytes }),
  }
}
