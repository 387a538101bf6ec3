/** Inputs that once broke a property: a file for each in reproductions/, tried again in every run from then on. */

import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { deserialize, serialize } from "node:v8"
import fc from "fast-check"
import { z } from "zod"

const reproduction = z.strictObject({
  /** The property, by its test's name. */
  test: z.string(),
  seed: z.int(),
  /** For people. */
  shown: z.string(),
  /** The values in the form of node:v8, base64: bytes and gaps stay what they are, whatever the generator becomes. */
  values: z.base64(),
})

/** The values of each reproduction of a property. */
export function readReproductions(test: string, dir = folder): unknown[][] {
  const files = readdirSync(dir).filter((name) => name.endsWith(".json"))
  return files
    .map((name) => reproduction.parse(JSON.parse(readFileSync(join(dir, name), "utf8"))))
    .filter((one) => one.test === test)
    .map((one) => deserialize(Buffer.from(one.values, "base64")) as unknown[])
}

/** Writes a new one, named after its content. */
export function keepReproduction(
  test: string,
  { seed, values }: { readonly seed: number; readonly values: readonly unknown[] },
  dir = folder,
): string {
  const bytes = serialize(values)
  const name = `${createHash("sha256").update(test).update(bytes).digest("hex").slice(0, 16)}.json`
  const kept = { test, seed, shown: fc.stringify(values), values: bytes.toString("base64") }
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, name), `${JSON.stringify(reproduction.parse(kept), null, 2)}\n`)
  return name
}

const folder = join(import.meta.dirname, "reproductions")
