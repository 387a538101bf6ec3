/** Reads a sealed tree once: the digests of its files, and what its npm packages say of themselves. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import { extract } from "tar-stream"
import type { ComponentFile } from "./component.ts"

export interface HashedTree {
  readonly files: ReadonlyMap<string, ComponentFile>
  /** Texts of `…/node_modules/NAME/package.json`, by the folder of the package. */
  readonly packageTexts: ReadonlyMap<string, string>
}

const PACKAGE_JSON = /^(.*\/node_modules\/(?:@[^/]+\/)?[^@/][^/]*)\/package\.json$/

export async function hashTree(tar: string): Promise<HashedTree> {
  const files = new Map<string, ComponentFile>()
  const packageTexts = new Map<string, string>()
  const reader = extract()
  const reading = pipeline(createReadStream(tar), reader)
  reading.catch(() => null) // the loop below ends with the same error
  for await (const entry of reader) {
    if (entry.header.type !== "file") {
      entry.resume()
      continue
    }
    // the builder's own archive: names begin with a dot
    const path = entry.header.name.replace(/^\./, "")
    const folder = PACKAGE_JSON.exec(path)?.[1]
    const sha256 = createHash("sha256")
    const sha1 = createHash("sha1")
    const kept: Buffer[] = []
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      sha256.update(chunk)
      sha1.update(chunk)
      if (folder !== undefined) kept.push(chunk)
    }
    files.set(path, { path, sha256: sha256.digest("hex"), sha1: sha1.digest("hex") })
    if (folder !== undefined) packageTexts.set(folder, Buffer.concat(kept).toString("utf8"))
  }
  await reading
  return { files, packageTexts }
}
