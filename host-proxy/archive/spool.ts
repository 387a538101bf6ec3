/** The files of an exchange under way: what has come is in the kernel's hands before the guest sees it. */

import { createHash } from "node:crypto"
import { closeSync, existsSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import type { AnswerHead, ExchangeOpening, ExchangeRouting } from "../exchange.ts"

/** What the spool's head file holds: enough to make the exchange's row after a crash. */
export interface SpoolHead {
  readonly opening: ExchangeOpening
  readonly routing: ExchangeRouting | null
  readonly answer: AnswerHead | null
}

export interface SpoolPaths {
  readonly head: string
  readonly request: string
  readonly response: string
}

export function spoolPaths(dir: string, id: string): SpoolPaths {
  return {
    head: join(dir, `${id}.json`),
    request: join(dir, `${id}.request`),
    response: join(dir, `${id}.response`),
  }
}

/** Appends to one body's spool file and keeps its digest. */
export class BodySpool {
  readonly #file: string
  readonly #hash = createHash("sha256")
  #descriptor: number | null = null
  #sizeBytes = 0

  constructor(file: string) {
    this.#file = file
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Synchronous on purpose: a write to the page cache takes microseconds, and the order is then plain. */
  append(chunk: Buffer): void {
    this.#descriptor ??= openSync(this.#file, "a", 0o600)
    let written = 0
    while (written < chunk.length) written += writeSync(this.#descriptor, chunk, written)
    this.#hash.update(chunk)
    this.#sizeBytes += chunk.length
  }

  /** Closes the file; nothing can be appended afterwards. */
  finish(): { readonly sha256: string; readonly sizeBytes: number } {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
    return { sha256: this.#hash.digest("hex"), sizeBytes: this.#sizeBytes }
  }
}

/** Writes the head anew, whole or not at all. */
export function writeSpoolHead(paths: SpoolPaths, head: SpoolHead): void {
  writeFileSync(`${paths.head}.new`, JSON.stringify(head), { mode: 0o600 })
  renameSync(`${paths.head}.new`, paths.head)
}

export async function removeSpool(paths: SpoolPaths): Promise<void> {
  // the head goes last: without it the bodies would be orphans after a crash in between
  for (const file of [paths.request, paths.response, `${paths.request}.zst`, `${paths.response}.zst`]) {
    if (existsSync(file)) await rm(file)
  }
  await rm(paths.head, { force: true })
}
