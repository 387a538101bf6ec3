/** The files of an exchange under way, from which it is recovered after a crash. */

import { closeSync, existsSync, openSync, writeSync } from "node:fs"
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

/** The head's file: each new state is a line, and the last whole line counts. */
export class HeadSpool {
  readonly #descriptor: number

  constructor(paths: SpoolPaths) {
    this.#descriptor = openSync(paths.head, "ax", 0o600)
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

export async function removeSpool(paths: SpoolPaths): Promise<void> {
  // the head goes last: without it the bodies would be orphans after a crash in between
  for (const file of [paths.request, paths.response, `${paths.request}.zst`, `${paths.response}.zst`]) {
    if (existsSync(file)) await rm(file)
  }
  await rm(paths.head, { force: true })
}
