/** Watches an answer for the real credential, across chunk borders and inside compression, and stops it in time. */

import type { Transform } from "node:stream"
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib"
import type { HeaderList } from "../exchange.ts"

export interface LeakScan {
  /** The chunks that may go on now; empty while a chunk's end could be the beginning of the credential. */
  pass(chunk: Buffer): Promise<readonly Buffer[]>
  /** What is still held when the answer has ended. */
  finish(): readonly Buffer[]
}

/** Thrown when the credential came: neither the guest nor the archive gets the chunk that holds it. */
export class LeakError extends Error {}

/** Fewer leading characters than this are a public prefix such as `sk-ant-`, and not worth a delay. */
const MIN_HELD = 8

export function openLeakScan(secret: string, headers: HeaderList): LeakScan {
  const needle = Buffer.from(secret)
  if (headers.some(([name, value]) => `${name}: ${value}`.includes(secret))) throw new LeakError(message)
  const raw = new Matcher(needle)
  const decoded = new Matcher(needle)
  const decoder = openDecoder(headers, (text) => decoded.feed(text))
  let held: Buffer[] = []
  return {
    async pass(chunk) {
      raw.feed(chunk)
      await decoder?.(chunk)
      if (raw.found || decoded.found) throw new LeakError(message)
      held.push(chunk)
      if (raw.held || decoded.held) return []
      const free = held
      held = []
      return free
    },
    finish: () => held,
  }
}

const message = "the upstream's answer holds the real credential"

class Matcher {
  found = false
  /** The end of what came so far is the beginning of the needle. */
  held = false
  readonly #needle: Buffer
  #tail: Buffer = Buffer.alloc(0)

  constructor(needle: Buffer) {
    this.#needle = needle
  }

  feed(chunk: Buffer): void {
    const text = Buffer.concat([this.#tail, chunk])
    this.found ||= text.includes(this.#needle)
    this.#tail = Buffer.from(text.subarray(Math.max(0, text.length - this.#needle.length + 1)))
    this.held = this.#endsInside()
  }

  #endsInside(): boolean {
    for (let length = this.#tail.length; length >= Math.min(MIN_HELD, this.#needle.length - 1); length -= 1) {
      if (length > 0 && this.#tail.subarray(-length).equals(this.#needle.subarray(0, length))) return true
    }
    return false
  }
}

type Decoder = (chunk: Buffer) => Promise<void>

function openDecoder(headers: HeaderList, onText: (text: Buffer) => void): Decoder | null {
  const encoding = headers
    .find(([name]) => name === "content-encoding")?.[1]
    .trim()
    .toLowerCase()
  const stream = createDecoder(encoding)
  if (!stream) return null
  let broken = false
  let wake: () => void = () => undefined
  stream.on("data", onText)
  stream.on("error", () => {
    // not what its header says: the raw bytes are still watched
    broken = true
    wake()
  })
  return async (chunk) => {
    if (broken) return
    await new Promise<void>((resolve) => {
      wake = resolve
      stream.write(chunk, () => setImmediate(resolve))
    })
  }
}

function createDecoder(encoding: string | undefined): Transform | null {
  switch (encoding) {
    case "gzip":
    case "x-gzip":
      return createGunzip()
    case "deflate":
      return createInflate()
    case "br":
      return createBrotliDecompress()
    case "zstd":
      return createZstdDecompress()
    default:
      return null
  }
}
