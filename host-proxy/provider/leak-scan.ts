/** Watches an answer for the real credential, across chunk borders and inside compression, and stops it in time. */

import type { Transform } from "node:stream"
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib"
import type { HeaderList } from "../exchange.ts"

export interface LeakScan {
  /** The chunks that may go on now; empty while a chunk's end could be the beginning of the credential. */
  pass(chunk: Buffer): Promise<readonly Buffer[]>
  /** What is still held when the answer has ended. */
  finish(): readonly Buffer[]
}

/** Thrown when the credential came: neither the guest nor the archive gets the chunk that holds it. */
export class LeakError extends Error {}

/** What decodes to so much, and to so many times itself, is made to keep the host busy. */
const BOMB = { bytes: 64 * 1024 * 1024, ratio: 200 }

/** Fewer leading characters than this are a public prefix such as `sk-ant-`, and not worth a delay. */
const MIN_HELD = 8

/** Chunks that all end in the credential's beginning are held until one does not, and made to fill the memory. */
const MAX_HELD_BYTES = 16 * 1024 * 1024

export function openLeakScan(secret: string, headers: HeaderList): LeakScan {
  const needle = Buffer.from(secret)
  if (headers.some(([name, value]) => `${name}: ${value}`.includes(secret))) throw new LeakError(message)
  const raw = new Matcher(needle)
  const decoded = new Matcher(needle)
  let cameBytes = 0
  let decodedBytes = 0
  const decoder = openDecoder(headers, (text) => {
    decodedBytes += text.length
    decoded.feed(text)
  })
  let held: Buffer[] = []
  let heldBytes = 0
  return {
    async pass(chunk) {
      raw.feed(chunk)
      cameBytes += chunk.length
      await decoder?.(chunk)
      if (decodedBytes > BOMB.bytes && decodedBytes > cameBytes * BOMB.ratio) throw new LeakError(bomb)
      if (raw.found || decoded.found) throw new LeakError(message)
      held.push(chunk)
      heldBytes += chunk.length
      if (raw.held || decoded.held) {
        if (heldBytes > MAX_HELD_BYTES) throw new LeakError(endless)
        return []
      }
      const free = held
      held = []
      heldBytes = 0
      return free
    },
    finish: () => held,
  }
}

const bomb =
  "the upstream's answer decodes to far more than it is, so the real credential cannot be looked for in it"
const endless = "the upstream's answer begins the real credential again and again, and never ends it"
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

/** Null when the answer is not encoded. What cannot be decoded cannot be watched, so it does not pass. */
function openDecoder(headers: HeaderList, onText: (text: Buffer) => void): Decoder | null {
  const encodings = headers
    .filter(([name]) => name === "content-encoding")
    .flatMap(([, value]) => value.toLowerCase().split(","))
    .map((one) => one.trim())
    .filter((one) => one !== "" && one !== "identity")
  const [encoding] = encodings
  if (encoding === undefined) return null
  if (encodings.length > 1 || !ENCODINGS.includes(encoding)) throw new LeakError(unwatchable)
  let stream: Transform | null = null
  let broken = false
  let wake: () => void = () => undefined
  const open = (first: Buffer) => {
    const decoder = createDecoder(encoding, first)
    decoder.on("data", onText)
    decoder.on("error", () => {
      broken = true
      wake()
    })
    return decoder
  }
  return async (chunk) => {
    stream ??= open(chunk)
    const decoder = stream
    await new Promise<void>((resolve) => {
      wake = resolve
      decoder.write(chunk, () => setImmediate(resolve))
    })
    if (broken) throw new LeakError(unwatchable)
  }
}

const unwatchable = "the upstream's answer is encoded so that the real credential cannot be looked for in it"
const ENCODINGS: readonly string[] = ["gzip", "x-gzip", "deflate", "br", "zstd"]

function createDecoder(encoding: string, first: Buffer): Transform {
  switch (encoding) {
    case "br":
      return createBrotliDecompress()
    case "zstd":
      return createZstdDecompress()
    case "deflate":
      // RFC 9110 means zlib's format, but some send it raw; zlib's begins with 8 in the low nibble
      return ((first[0] ?? 8) & 0x0f) === 8 ? createInflate() : createInflateRaw()
    default:
      return createGunzip()
  }
}
