/** HTTP/2 frames written by hand, for what a well-behaved client refuses to send. HPACK without tables or Huffman. */

import { once } from "node:events"
import { createConnection, type Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1")
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
}
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4 }

/** Names and values as they are to stand on the wire; text is latin1. */
export type RawPairs = readonly (readonly [name: string, value: string])[]

export interface RawAnswer {
  /** All of the stream's DATA. */
  readonly body: string
  /** END_STREAM came. */
  readonly ended: boolean
  /** The error code by which the stream or the session ended; null while neither did. */
  readonly reset: number | null
  readonly goaway: number | null
  readonly closed: boolean
  readonly elapsedMs: number
}

export function renderFrame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block of literals that enter no table. */
export function renderPairs(pairs: RawPairs): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value, "latin1")
    return Buffer.concat([renderInteger(bytes.length), bytes])
  }
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

/** HPACK's integer with a prefix of seven bits and the high one clear (RFC 7541 5.1). */
function renderInteger(value: number): Buffer {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  let rest = value - 127
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}

/** One connection to an egress socket that says whatever it is told to. */
export class RawHttp2 implements Disposable {
  readonly #socket: Socket
  #came: Buffer = Buffer.alloc(0)
  #closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.#came = Buffer.concat([this.#came, chunk])
    })
    socket.on("error", () => socket.destroy())
    socket.on("close", () => {
      this.#closed = true
    })
  }

  static async open(path: string): Promise<RawHttp2> {
    const socket = createConnection(path)
    await once(socket, "connect")
    const raw = new RawHttp2(socket)
    raw.write(PREFACE, renderFrame(FRAME.settings, 0, 0))
    // an acknowledgement counts only behind the settings that it acknowledges
    if (raw.#came.length === 0) await once(socket, "data")
    raw.write(renderFrame(FRAME.settings, FLAG.ack, 0))
    return raw
  }

  get isClosed(): boolean {
    return this.#closed
  }

  write(...frames: readonly Buffer[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(frames))
  }

  /** Sends a request whole and waits for the end of its stream, of the session, or of the time. */
  async ask(pairs: RawPairs, body: readonly Buffer[] = [], stream = 1): Promise<RawAnswer> {
    const flags = FLAG.endHeaders | (body.length === 0 ? FLAG.endStream : 0)
    const data = body.map((part, index) =>
      renderFrame(FRAME.data, index === body.length - 1 ? FLAG.endStream : 0, stream, part),
    )
    this.write(renderFrame(FRAME.headers, flags, stream, renderPairs(pairs)), ...data)
    return this.answerOf(stream)
  }

  async answerOf(stream: number, waitMs = 3000): Promise<RawAnswer> {
    const startedMs = performance.now()
    for (;;) {
      const elapsedMs = performance.now() - startedMs
      const answer = { ...this.#read(stream), closed: this.#closed, elapsedMs }
      const over = answer.ended || answer.reset !== null || answer.goaway !== null || answer.closed
      if (over || elapsedMs > waitMs) return answer
      await delay(2)
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #read(stream: number): Pick<RawAnswer, "body" | "ended" | "reset" | "goaway"> {
    const data: Buffer[] = []
    let ended = false
    let reset: number | null = null
    let goaway: number | null = null
    for (let at = 0; at + 9 <= this.#came.length; ) {
      const end = at + 9 + this.#came.readUIntBE(at, 3)
      if (end > this.#came.length) break
      const [type, flags, id] = [this.#came[at + 3], this.#came[at + 4] ?? 0, this.#came.readUInt32BE(at + 5)]
      const payload = this.#came.subarray(at + 9, end)
      if (id === stream && type === FRAME.data) data.push(payload)
      if (id === stream && type === FRAME.reset) reset = payload.readUInt32BE(0)
      if (id === stream && (type === FRAME.data || type === FRAME.headers))
        ended ||= (flags & FLAG.endStream) !== 0
      if (type === FRAME.goaway) goaway = payload.readUInt32BE(4)
      at = end
    }
    return { body: Buffer.concat(data).toString("latin1"), ended, reset, goaway }
  }
}
