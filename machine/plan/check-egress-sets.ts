/** Whether the egress sets that a machine is to have are there; the host service would let nothing out otherwise. */

import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"

/** Fault: `card/unknown-egress-set`, with those that are known. */
export async function checkEgressSets(projectDir: string, wanted: readonly string[]): Promise<void> {
  const folder = join(projectDir, "policies", "egress")
  const files = await readdir(folder)
  const known = files.flatMap((name) => (name.endsWith(".toml") ? [name.slice(0, -".toml".length)] : []))
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new Fault(
    "card/unknown-egress-set",
    `egress.sets: there is no ${unknown.map((name) => `"${name}"`).join(", ")} in ${folder}`,
    { hint: `known sets: ${known.sort().join(", ")}; a new one is a file NAME.toml there` },
  )
}
