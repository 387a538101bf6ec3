/** What an npm package says of itself in its package.json. */

import { createReadStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"
import { extract } from "tar-stream"
import { z } from "zod"
import { Fault, reasonOf } from "../../contract/fault.ts"

export interface NpmFacts {
  readonly name: string
  readonly version: string
  readonly licenses: readonly string[]
  readonly homepage: string | null
  readonly description: string | null
}

/** Old packages have objects where newer ones have text. */
const license = z.union([z.string(), z.looseObject({ type: z.string() }).transform(({ type }) => type)])
const packageJson = z.looseObject({
  name: z.string().min(1),
  version: z.string().min(1),
  license: license.optional().catch(undefined),
  licenses: z.array(license).optional().catch(undefined),
  homepage: z.string().optional().catch(undefined),
  description: z.string().optional().catch(undefined),
})

/** `where` names it in errors. Fault: `describe/odd-package`. */
export function parseNpmPackage(text: string, where: string): NpmFacts {
  try {
    const {
      name,
      version,
      license: one,
      licenses,
      homepage,
      description,
    } = packageJson.parse(JSON.parse(text))
    return {
      ...{ name, version },
      licenses: licenses ?? (one === undefined ? [] : [one]),
      homepage: homepage !== undefined && URL.canParse(homepage) ? homepage : null,
      description: description?.replace(/\s+/g, " ").trim() || null,
    }
  } catch (cause) {
    throw new Fault(
      "describe/odd-package",
      `${where}: its package.json does not say name and version: ${reasonOf(cause)}`,
      {
        hint: "without them nobody can say what is in the image; take another version of the package",
        cause,
      },
    )
  }
}

/** Out of the archive as the registry has it; what comes after its package.json is not unpacked. */
export async function readNpmArchive(archive: string, where: string): Promise<NpmFacts> {
  const reader = extract()
  const done = new AbortController()
  const reading = pipeline(createReadStream(archive), createGunzip(), reader, { signal: done.signal })
  reading.catch(() => null) // the loop below ends with the same error, or has seen enough
  for await (const entry of reader) {
    if (!/^[^/]+\/package\.json$/.test(entry.header.name)) {
      entry.resume()
      continue
    }
    const chunks: Buffer[] = []
    for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk)
    done.abort()
    return parseNpmPackage(Buffer.concat(chunks).toString("utf8"), where)
  }
  throw new Fault("describe/odd-package", `${where}: its archive has no package.json`)
}
