/** The host's answer on its way to the client: chunk by chunk, byte for byte, and never made to look complete. */

import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import type { ClientHttp2Stream } from "node:http2"
import { toHttp1Headers } from "./headers.ts"

export interface Relayed {
  readonly outcome: "complete" | "client-aborted" | "gateway-aborted"
  /** Null: the host never began an answer. */
  readonly status: number | null
  readonly sha256: string
  readonly bytes: number
  /** Why the host's side ended, where it did not end well. */
  readonly reason: string
}

/** `onHead` is called when the answer begins. */
export function relayResponse(
  stream: ClientHttp2Stream,
  outgoing: ServerResponse,
  onHead: () => void,
): Promise<Relayed> {
  const hash = createHash("sha256")
  let bytes = 0
  let status: number | null = null
  let expected: number | null = null
  let reason = "the host ended the stream"
  return new Promise((resolve) => {
    const settle = (outcome: Relayed["outcome"]): void => {
      outgoing.off("close", onClientGone)
      resolve({ outcome, status, sha256: hash.copy().digest("hex"), bytes, reason })
    }
    const onClientGone = (): void => {
      if (outgoing.writableFinished) return
      // close() would end an unfinished upload in good order first, and half a body would pass for the whole
      stream.destroy(new DOMException("the client has gone", "AbortError"))
      settle("client-aborted")
    }
    outgoing.once("close", onClientGone)
    if (outgoing.destroyed) onClientGone()
    stream.on("response", (headers, _flags, rawHeaders) => {
      status = headers[":status"] ?? 502
      expected = lengthOf(headers["content-length"], outgoing, status)
      onHead()
      outgoing.writeHead(status, toHttp1Headers(rawHeaders))
      outgoing.flushHeaders()
    })
    stream.on("data", (chunk: Buffer) => {
      hash.update(chunk)
      bytes += chunk.length
      if (outgoing.write(chunk)) return
      stream.pause()
      outgoing.once("drain", () => stream.resume())
    })
    stream.on("trailers", (trailers) => {
      outgoing.addTrailers(
        Object.entries(trailers).map(([name, value]): [string, string] => [name, String(value)]),
      )
    })
    stream.on("end", () => {
      const whole = !stream.aborted && !stream.rstCode && (expected === null || expected === bytes)
      if (!whole || status === null) return
      outgoing.end()
      settle("complete")
    })
    stream.on("error", (error) => {
      reason = error.message
    })
    // a notice that the host goes may still be on its way up
    stream.on("close", () => setImmediate(() => settle("gateway-aborted")))
  })
}

/** The number of bytes that must come, where the answer says so and has a body at all. */
function lengthOf(header: string | undefined, outgoing: ServerResponse, status: number): number | null {
  const bodiless = outgoing.req.method === "HEAD" || status === 204 || status === 304
  return header === undefined || bodiless ? null : Number(header)
}
