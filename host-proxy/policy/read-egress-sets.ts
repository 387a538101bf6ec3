/** Reads the egress sets that a machine names; one that is missing or broken closes the machine altogether. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { EgressPolicy } from "../../contract/egress-grant.ts"
import { reasonOf } from "../../contract/fault.ts"
import { type EgressSetText, readEgressPolicy } from "../../contract/read-egress-policy.ts"

const NAME = /^[a-z0-9][a-z0-9-]*$/

/** The policy of a machine that names `sets`, read from `dir`. Never throws: what is wrong becomes a refusal. */
export async function readEgressSets(dir: string, sets: readonly string[]): Promise<EgressPolicy> {
  return readEgressPolicy(await Promise.all(sets.map((name) => readText(dir, name))))
}

async function readText(dir: string, name: string): Promise<EgressSetText> {
  if (!NAME.test(name)) return { name, missing: `${JSON.stringify(name)} is not a set's name` }
  try {
    return { name, text: await readFile(join(dir, `${name}.toml`), "utf8") }
  } catch (thrown) {
    return { name, missing: `the egress set ${name} cannot be read (${reasonOf(thrown)})` }
  }
}
