/** Files out of the archives of npm packages. */

import { createReadStream, createWriteStream } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"
import { extract } from "tar-stream"
import { Fault } from "../../contract/fault.ts"
import type { PlannedNpm } from "../plan.ts"

/** Takes the wanted files out of an archive into `dir`, named 0, 1, … in the order of `npm.files`. */
export async function takeNpmFiles(npm: PlannedNpm, archive: string, dir: string): Promise<void> {
  const wanted = new Map(npm.files.map(({ from }, index) => [`package/${from}`, index]))
  const reader = extract()
  const reading = pipeline(createReadStream(archive), createGunzip(), reader)
  reading.catch(() => null) // the loop below ends with the same error, or with one of its own that ends this
  for await (const entry of reader) {
    const index = entry.header.type === "file" ? wanted.get(entry.header.name) : undefined
    if (index === undefined) entry.resume()
    else {
      await pipeline(entry, createWriteStream(join(dir, String(index)), { mode: 0o644 }))
      wanted.delete(entry.header.name)
    }
  }
  await reading
  const [lacking] = wanted.keys()
  if (lacking === undefined) return
  throw new Fault("rootfs/no-npm-file", `npm package ${npm.name} ${npm.version} has no file ${lacking}`)
}
