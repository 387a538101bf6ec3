/** The files of an exchange under way, from which it is recovered after a crash. */

import { existsSync } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"

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

export async function removeSpool(paths: SpoolPaths): Promise<void> {
  // the head goes last: without it the bodies would be orphans after a crash in between
  for (const file of [paths.request, paths.response, `${paths.request}.zst`, `${paths.response}.zst`]) {
    if (existsSync(file)) await rm(file)
  }
  await rm(paths.head, { force: true })
}
