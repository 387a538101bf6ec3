/** Writes WebSocket frames, in their shortest form: with a mask towards a server, without one towards a client. */

import { applyMask, type Frame } from "./frame-reader.ts"

/** `mask`: four random bytes, or null for none. */
export function renderFrame({ fin, opcode, payload }: Omit<Frame, "raw">, mask: Buffer | null): Buffer {
  const first = (fin ? 0x80 : 0) | opcode
  const bit = mask ? 0x80 : 0
  const body = mask ? [mask, applyMask(payload, mask)] : [payload]
  return Buffer.concat([renderHead(first, bit, payload.length), ...body])
}

/** A close frame's payload. */
export function renderClose(code: number, reason: string): Buffer {
  const text = Buffer.from(reason.replace(/[^\x20-\x7e]/g, "?").slice(0, 120))
  const head = Buffer.alloc(2)
  head.writeUInt16BE(code)
  return Buffer.concat([head, text])
}

function renderHead(first: number, bit: number, length: number): Buffer {
  if (length < 126) return Buffer.from([first, bit | length])
  if (length < 65_536) return Buffer.from([first, bit | 126, length >> 8, length & 0xff])
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = bit | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}
