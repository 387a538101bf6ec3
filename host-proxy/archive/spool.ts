/** The files of an exchange under way, from which it is recovered after a crash. */

import { existsSync, renameSync, writeFileSync } from "node:fs"
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
