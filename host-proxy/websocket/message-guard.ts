/** What frames of one direction may follow each other: messages, their size and text, control frames, the close. */

import { TextDecoder } from "node:util"
import { BrokenFrame, type Frame } from "./frame-reader.ts"

/** The largest message, all its frames together. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
/** Frames that carry nothing: pings, pongs, empty fragments. So many in so long. */
const MAX_IDLE_FRAMES = 200
const IDLE_WINDOW_MS = 10_000

export class MessageGuard {
  /** A close frame has come: nothing may follow it. */
  closed = false
  #message: { readonly text: TextDecoder | null; bytes: number } | null = null
  #window = { startedAtMs: 0, frames: 0 }

  /** Throws BrokenFrame for what may not come now. */
  check(frame: Frame, nowMs: number): void {
    if (this.closed) throw new BrokenFrame(1002, "a frame comes behind the close")
    if (frame.opcode >= 8 || frame.payload.length === 0) this.#countIdle(nowMs)
    if (frame.opcode === 8) this.#checkClose(frame.payload)
    else if (frame.opcode < 8) this.#checkData(frame)
  }

  #checkData({ fin, opcode, payload }: Frame): void {
    if ((opcode === 0) !== (this.#message !== null))
      throw new BrokenFrame(
        1002,
        opcode === 0 ? "a continuation continues nothing" : "a message begins inside another",
      )
    const text = opcode === 1 ? new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }) : null
    this.#message ??= { text, bytes: 0 }
    this.#message.bytes += payload.length
    if (this.#message.bytes > MAX_MESSAGE_BYTES)
      throw new BrokenFrame(1009, `a message is longer than ${MAX_MESSAGE_BYTES} bytes`)
    if (this.#message.text) decode(this.#message.text, payload, fin)
    if (fin) this.#message = null
  }

  #checkClose(payload: Buffer): void {
    this.closed = true
    if (payload.length === 0) return
    if (payload.length === 1) throw new BrokenFrame(1002, "a close frame holds half a code")
    const code = payload.readUInt16BE(0)
    const known =
      (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code < 5000)
    if (!known) throw new BrokenFrame(1002, `the close code ${code} may not be sent`)
    decode(new TextDecoder("utf-8", { fatal: true }), payload.subarray(2), true)
  }

  #countIdle(nowMs: number): void {
    if (nowMs - this.#window.startedAtMs > IDLE_WINDOW_MS) this.#window = { startedAtMs: nowMs, frames: 0 }
    this.#window.frames += 1
    if (this.#window.frames > MAX_IDLE_FRAMES)
      throw new BrokenFrame(1008, `more than ${MAX_IDLE_FRAMES} frames in ten seconds carry nothing`)
  }
}

function decode(decoder: TextDecoder, bytes: Buffer, last: boolean): void {
  try {
    decoder.decode(bytes, { stream: !last })
  } catch (cause) {
    const broken = new BrokenFrame(1007, "a text is not UTF-8")
    broken.cause = cause
    throw broken
  }
}
