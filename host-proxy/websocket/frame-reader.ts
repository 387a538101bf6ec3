/** Reads WebSocket frames (RFC 6455) strictly: whole ones only, each in the one way in which it may be written. */

/** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
export type Opcode = 0 | 1 | 2 | 8 | 9 | 10

export interface Frame {
  readonly fin: boolean
  readonly opcode: Opcode
  /** Without its mask. */
  readonly payload: Buffer
  /** As it came, head and mask included. */
  readonly raw: Buffer
}

/** Why no further frame is read; `code` is the one to close with (RFC 6455 7.4.1). */
export class BrokenFrame extends Error {
  readonly code: number

  constructor(code: number, reason: string) {
    super(reason)
    this.code = code
  }
}

/** The largest payload of one frame. */
export const MAX_FRAME_BYTES = 1024 * 1024

const OPCODES = [0, 1, 2, 8, 9, 10] as const

export class FrameReader {
  readonly #masked: boolean
  /** Parts wait unjoined until there are enough, so that a frame that drips is joined once. */
  #parts: Buffer[] = []
  #waiting = 0
  #needed = 2

  /** `masked`: frames come from a client, and each must have a mask; from a server none may. */
  constructor(masked: boolean) {
    this.#masked = masked
  }

  /** The frames that are whole now. Throws BrokenFrame, and must not be fed again then. */
  *feed(chunk: Buffer): Generator<Frame> {
    this.#parts.push(chunk)
    this.#waiting += chunk.length
    while (this.#waiting >= this.#needed) {
      const all = this.#parts.length === 1 ? (this.#parts[0] ?? chunk) : Buffer.concat(this.#parts)
      this.#parts = [all]
      const head = this.#readHead(all)
      this.#needed = typeof head === "number" ? head : head.headBytes + head.payloadBytes
      if (typeof head === "number" || all.length < this.#needed) continue
      yield this.#cut(all, head)
    }
  }

  #cut(all: Buffer, { fin, opcode, headBytes, payloadBytes }: Head): Frame {
    const end = headBytes + payloadBytes
    const raw = all.subarray(0, end)
    const payload = this.#masked
      ? applyMask(raw.subarray(headBytes), raw.subarray(headBytes - 4, headBytes))
      : raw.subarray(headBytes)
    this.#parts = [all.subarray(end)]
    this.#waiting = all.length - end
    this.#needed = 2
    return { fin, opcode, payload, raw }
  }

  /** The head, or how many bytes it takes to read it. */
  #readHead(all: Buffer): Head | number {
    const [first = 0, second = 0] = all
    const fin = first >= 0x80
    const opcode = OPCODES.find((one) => one === (first & 0x0f))
    if ((first & 0x70) !== 0) throw broken("a reserved bit is set, and no extension was agreed on")
    if (opcode === undefined) throw broken(`the opcode ${first & 0x0f} is unknown`)
    if (second >= 0x80 !== this.#masked)
      throw broken(this.#masked ? "a client's frame has no mask" : "a server's frame has a mask")
    const short = second & 0x7f
    if (opcode >= 8 && (!fin || short > 125))
      throw broken("a control frame is fragmented or longer than 125 bytes")
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
    const headBytes = 2 + lengthBytes + (this.#masked ? 4 : 0)
    if (all.length < 2 + lengthBytes) return headBytes
    const payloadBytes = readLength(all, short)
    if (payloadBytes > MAX_FRAME_BYTES)
      throw new BrokenFrame(1009, `a frame is longer than ${MAX_FRAME_BYTES} bytes`)
    return { fin, opcode, headBytes, payloadBytes }
  }
}

interface Head {
  readonly fin: boolean
  readonly opcode: Opcode
  readonly headBytes: number
  readonly payloadBytes: number
}

function readLength(all: Buffer, short: number): number {
  if (short < 126) return short
  const long = short === 126 ? all.readUInt16BE(2) : Number(all.readBigUInt64BE(2))
  if (long < (short === 126 ? 126 : 65_536))
    throw broken("a frame's length is not written in its shortest form")
  return long
}

/** A masked copy, or of a masked one the plain text: the same operation. */
export function applyMask(bytes: Buffer, mask: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length)
  for (let index = 0; index < bytes.length; index += 1)
    copy[index] = (bytes[index] ?? 0) ^ (mask[index & 3] ?? 0)
  return copy
}

function broken(reason: string): BrokenFrame {
  return new BrokenFrame(1002, reason)
}
