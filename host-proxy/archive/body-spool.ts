/** A body under way: what has come is in the kernel's hands, and digested, before the guest sees it. */

import { createHash } from "node:crypto"
import { closeSync, openSync, writeSync } from "node:fs"

/** Appends to one body's spool file and keeps its digest. */
export class BodySpool {
  readonly #file: string
  readonly #hash = createHash("sha256")
  #descriptor: number | null = null
  #sizeBytes = 0
  #finished = false

  constructor(file: string) {
    this.#file = file
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Synchronous on purpose: a write to the page cache takes microseconds, and the order is then plain. */
  append(chunk: Buffer): void {
    // an upload that goes on after its answer has ended
    if (this.#finished) throw new Error("the exchange is sealed")
    this.#descriptor ??= openSync(this.#file, "a", 0o600)
    let written = 0
    while (written < chunk.length) written += writeSync(this.#descriptor, chunk, written)
    this.#hash.update(chunk)
    this.#sizeBytes += chunk.length
  }

  /** Closes the file; nothing can be appended afterwards. */
  finish(): { readonly sha256: string; readonly sizeBytes: number } {
    this.#finished = true
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
    return { sha256: this.#hash.digest("hex"), sizeBytes: this.#sizeBytes }
  }
}
