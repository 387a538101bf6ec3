/** A port as a row of byte streams: a new one each time that the host's side opens. */

import { Duplex } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import type { BytePort } from "./virtio-port.ts"

/** How often a port whose host side is closed is asked again. */
const POLL_MS = 50
/** A read that waits so long waits for bytes: the host's side is open, or it would have ended at once. */
const OPEN_AFTER_MS = 100

export interface PortListener {
  /** Takes a new session; its first bytes are in the stream. The stream's end is the session's. */
  readonly onSession: (stream: Duplex) => void
  /** True for a chunk that can only be the beginning of another session. */
  readonly isStart: (chunk: Buffer) => boolean
  /** The guest has the first word: a session begins as soon as the host's side is open. */
  readonly speaksFirst: boolean
}

/**
 * Reads the port until `signal`. The end of file ends the session. What comes after a session that broke is
 * thrown away until the host's side closes or begins anew.
 */
export async function servePort(port: BytePort, listener: PortListener, signal: AbortSignal): Promise<void> {
  let session: PortStream | null = null
  const begin = (): PortStream => {
    const stream = new PortStream(port)
    listener.onSession(stream)
    return stream
  }
  while (!signal.aborted) {
    const reading = port.read()
    if (session === null && listener.speaksFirst && (await isWaiting(reading))) session = begin()
    const chunk = await reading
    if (chunk === null) {
      session?.destroy()
      session = null
      await sleep(POLL_MS)
      continue
    }
    if (session === null || listener.isStart(chunk)) {
      session?.destroy()
      session = begin()
    }
    await session.feed(chunk)
  }
  session?.destroy()
}

async function isWaiting(reading: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  try {
    return await Promise.race([
      reading.then(() => false),
      sleep(OPEN_AFTER_MS, true, { signal: timer.signal, ref: false }),
    ])
  } finally {
    timer.abort()
  }
}

class PortStream extends Duplex {
  readonly #port: BytePort
  #wanted: (() => void) | null = null

  constructor(port: BytePort) {
    super({ readableHighWaterMark: 262_144, writableHighWaterMark: 262_144 })
    this.#port = port
  }

  /** Resolves when the reader wants more: what it does not take stays in the device. */
  async feed(chunk: Buffer): Promise<void> {
    if (this.destroyed || this.push(chunk)) return
    await new Promise<void>((resolve) => {
      this.#wanted = resolve
    })
  }

  override _read(): void {
    this.#release()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#port.write(chunk).then(() => done(), done)
  }

  /** One system call for the many small buffers of HTTP/2. */
  override _writev(parts: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#port.write(Buffer.concat(parts.map(({ chunk }) => chunk))).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#release()
    done(error)
  }

  #release(): void {
    const wanted = this.#wanted
    this.#wanted = null
    wanted?.()
  }
}
