/** What is known of an exchange under way besides its bodies, in a file from which a crash is recovered. */

import { closeSync, openSync, writeSync } from "node:fs"
import type { AnswerHead, ExchangeOpening, ExchangeRouting } from "../exchange.ts"

/** What the spool's head file holds: enough to make the exchange's row after a crash. */
export interface SpoolHead {
  readonly opening: ExchangeOpening
  readonly routing: ExchangeRouting | null
  readonly answer: AnswerHead | null
}

/** The head's file: each new state is a line, and the last whole line counts. */
export class HeadSpool {
  readonly #descriptor: number

  constructor(file: string) {
    this.#descriptor = openSync(file, "ax", 0o600)
  }

  write(head: SpoolHead): void {
    writeSync(this.#descriptor, `${JSON.stringify(head)}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** Null when not even the first line is whole: then nothing of the exchange was told to anyone. */
export function parseSpoolHead(text: string): SpoolHead | null {
  const line = text.split("\n").slice(0, -1).at(-1)
  // written by HeadSpool alone
  return line === undefined ? null : (JSON.parse(line) as SpoolHead)
}
