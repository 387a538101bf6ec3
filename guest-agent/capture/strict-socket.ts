/** A client's connection as Node's HTTP server sees it: only what the strict reader lets through. */

import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import type { WireProblem } from "./strict-head.ts"
import { StrictReader } from "./strict-reader.ts"

/** From a head's first byte to its last. */
const HEAD_MS = 15_000
/** What a client that was refused may take to read why. */
const LINGER_MS = 2_000

export class StrictSocket extends Duplex {
  /** TCP, or TLS over it. After CONNECT and a WebSocket's head it is read by whoever takes those on. */
  readonly inner: Socket
  readonly #reader = new StrictReader()
  readonly #onProblem: (problem: WireProblem) => void
  #headTimer: NodeJS.Timeout | null = null
  #released = false

  constructor(inner: Socket, onProblem: (problem: WireProblem) => void) {
    super({ allowHalfOpen: true })
    this.inner = inner
    this.#onProblem = onProblem
    inner.on("data", this.#onData)
    inner.on("end", this.#onEnd)
    inner.on("close", this.#onClose)
    inner.on("timeout", this.#onTimeout)
    inner.on("error", () => this.destroy())
  }

  /** Says why in `text` and ends; what was under way here breaks off. */
  refuse(text: string): void {
    this.#release()
    this.inner.end(text)
    // unread bytes would reset the connection before the client has read its answer
    this.inner.resume()
    const linger = setTimeout(() => this.inner.destroy(), LINGER_MS)
    this.inner.once("close", () => clearTimeout(linger))
    this.destroy()
  }

  /** Node's server asks for it on every socket that has it. */
  setTimeout(ms: number, onTimeout?: () => void): this {
    if (onTimeout) this.once("timeout", onTimeout)
    this.inner.setTimeout(ms)
    return this
  }

  destroySoon(): void {
    this.once("finish", () => this.destroy())
    this.end()
  }

  override _read(): void {
    if (!this.#released) this.inner.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.inner.write(chunk, done)
  }

  override _final(done: () => void): void {
    if (this.#released) done()
    else this.inner.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#headTimer) clearTimeout(this.#headTimer)
    if (!this.#released) this.inner.destroy()
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    const { pass, problem, left } = this.#reader.feed(chunk)
    let wanted = true
    for (const part of pass) wanted = this.push(part)
    if (left) this.#leave(left)
    this.#watchHead()
    if (problem) this.#onProblem(problem)
    else if (!wanted && !this.#released) this.inner.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onClose = (): void => {
    this.destroy()
  }

  readonly #onTimeout = (): void => {
    this.emit("timeout")
  }

  #watchHead(): void {
    if (!this.#reader.isInsideHead) {
      if (this.#headTimer) clearTimeout(this.#headTimer)
      this.#headTimer = null
      return
    }
    this.#headTimer ??= setTimeout(
      () => this.#onProblem({ status: 408, problem: `the head was not whole after ${HEAD_MS / 1000} s` }),
      HEAD_MS,
    )
  }

  /** HTTP ends here: what came behind it is there for the next reader. */
  #leave(left: Buffer): void {
    this.#release()
    this.inner.pause()
    if (left.length > 0) this.inner.unshift(left)
  }

  #release(): void {
    this.#released = true
    this.inner.off("data", this.#onData)
    this.inner.off("end", this.#onEnd)
    this.inner.off("timeout", this.#onTimeout)
    this.inner.setTimeout(0)
  }
}
