/** One request of a guest as the spine uses it: its head, its body, and the answer's chunks one by one. */

import { once } from "node:events"
import { constants, type ServerHttp2Stream } from "node:http2"
import { reasonOf } from "../../contract/fault.ts"
import { refusalBody } from "../../contract/verdict.ts"
import { VERDICT_HEADER } from "../../contract/wire.ts"
import type { HeaderList, Refusal } from "../exchange.ts"
import { type ReadHead, readHead } from "./read-head.ts"
import type { RawHeaders } from "./serve-session.ts"

/** A guest that sends nothing for so long while it uploads has gone. */
const UPLOAD_IDLE_MS = 60_000
/** A body that is read before the decision is small, and nobody waits long for it. */
const READ_AHEAD_MS = 30_000
/** Longer than any wait for a provider: a guest that neither reads nor leaves is let go. */
const IDLE_MS = 900_000

/** Forbidden in HTTP/2 or decided by this hop. */
const NOT_FOR_GUESTS = new Set(
  "connection keep-alive proxy-connection transfer-encoding upgrade trailer http2-settings".split(" "),
)

export class GuestStream {
  readonly read: ReadHead
  readonly hasBody: boolean
  /** Why this side has cut the stream on purpose; null otherwise. */
  cutReason: string | null = null
  readonly #stream: ServerHttp2Stream
  readonly #gone = new AbortController()
  /** The whole body, when it had to be read before the decision. */
  #ahead: Buffer | null = null

  constructor(stream: ServerHttp2Stream, rawHeaders: RawHeaders) {
    this.#stream = stream
    this.read = readHead(rawHeaders)
    stream.setTimeout(IDLE_MS, () => this.cut())
    this.hasBody = !stream.endAfterHeaders && this.read.head.method !== "CONNECT"
    // they would be lost on the way, and with them what the client meant by them
    stream.once("trailers", () => this.cut("the request ended in trailers, which are not passed on"))
    // 'close' comes last, whatever ended the stream; after an orderly end it aborts nothing that matters
    stream.once("close", () => this.#gone.abort(new Error("the guest closed the stream")))
    stream.once("aborted", () => this.#gone.abort(new Error("the guest aborted the stream")))
  }

  /** Aborted when the guest has gone. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /**
   * The whole body, for a decision that depends on it; `body` gives the same bytes later. Null when it is longer than
   * `maxBytes`, breaks off, or does not come in time.
   */
  async readAhead(maxBytes: number): Promise<Buffer | null> {
    const chunks: Buffer[] = []
    let cameBytes = 0
    const timer = setTimeout(() => this.cut("the body did not come in time"), READ_AHEAD_MS)
    try {
      for await (const chunk of this.body()) {
        cameBytes += chunk.length
        if (cameBytes > maxBytes) return null
        chunks.push(chunk)
      }
    } catch (thrown) {
      this.cut(`the body broke off: ${reasonOf(thrown)}`)
      return null
    } finally {
      clearTimeout(timer)
    }
    this.#ahead = Buffer.concat(chunks)
    return this.#ahead
  }

  /** The body as it comes, with back-pressure through HTTP/2's windows. */
  async *body(): AsyncGenerator<Buffer> {
    if (this.#ahead) {
      yield this.#ahead
      return
    }
    this.#stream.setTimeout(UPLOAD_IDLE_MS)
    try {
      yield* this.#stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer> // no encoding is set
    } finally {
      this.#stream.setTimeout(IDLE_MS)
    }
  }

  respond(status: number, headers: HeaderList, options: { readonly endStream: boolean }): void {
    this.#stream.respond([":status", String(status), ...passable(headers).flat()], options)
  }

  /** Resolves when the next chunk may come. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason
    if (!this.#stream.write(chunk)) await once(this.#stream, "drain", { signal: this.#gone.signal })
  }

  /** Ends the answer in good order. The rest of an upload that nobody waits for is told to stop. */
  end(last?: Buffer): void {
    this.#stream.once("finish", () => {
      if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR)
    })
    this.#stream.end(last)
    this.#stream.resume()
  }

  /**
   * Ends the stream so that the guest cannot take what came for the whole. Not by `close(code)`: with the
   * request's half closed, Node then sends END_STREAM before the reset, and the guest sees a good end.
   */
  cut(reason: string | null = null): void {
    this.cutReason ??= reason
    this.#stream.destroy(new Error("cut: the answer did not come to its end"))
  }

  /** The whole answer of stereo's own. */
  refuse(status: number, rule: string, body: Buffer): void {
    if (this.#gone.signal.aborted || this.#stream.headersSent) {
      this.cut()
      return
    }
    const headers = ["content-type", "application/json", "content-length", String(body.length)]
    this.#stream.respond([":status", String(status), ...headers, VERDICT_HEADER, rule])
    this.end(body)
  }
}

/** Headers about the connection, stereo's own, and exact repeats (HTTP/2 forbids many of them) stay behind. */
function passable(headers: HeaderList): HeaderList {
  const listed = headers.filter(([name]) => name === "connection").flatMap(([, value]) => value.split(","))
  const bound = new Set(listed.map((name) => name.trim().toLowerCase()))
  const seen = new Set<string>()
  return headers.filter(([name, value]) => {
    const line = `${name}: ${value}`
    if (NOT_FOR_GUESTS.has(name) || bound.has(name) || name.startsWith("stereo-") || seen.has(line))
      return false
    seen.add(line)
    return true
  })
}

/** The body of a structured refusal. */
export function renderRefusal(refusal: Refusal, exchange: string): Buffer {
  const { rule, reason, hint } = refusal
  const error = { type: "stereo_refused" as const, rule, message: reason, hint, exchange }
  return Buffer.from(`${JSON.stringify(refusalBody.parse({ error }))}\n`)
}
