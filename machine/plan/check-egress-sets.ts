/** Whether the egress sets that a machine is to have are there and whole; the host service would let nothing out otherwise. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { readEgressSet } from "../../contract/read-egress-policy.ts"

/** Faults: `card/unknown-egress-set`, with those that are known; `egress/bad-toml`, `egress/bad-field`. */
export async function checkEgressSets(projectDir: string, wanted: readonly string[]): Promise<void> {
  const folder = join(projectDir, "policies", "egress")
  const files = await readdir(folder)
  const known = files.flatMap((name) => (name.endsWith(".toml") ? [name.slice(0, -".toml".length)] : []))
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw unknownSets(unknown, known, folder)
  for (const name of wanted) {
    const text = await readFile(join(folder, `${name}.toml`), "utf8")
    readEgressSet(name, text)
  }
}

function unknownSets(unknown: readonly string[], known: readonly string[], folder: string): Fault {
  return new Fault(
    "card/unknown-egress-set",
    `egress.sets: there is no ${unknown.map((name) => `"${name}"`).join(", ")} in ${folder}`,
    { hint: `known sets: ${known.toSorted().join(", ")}; a new one is a file NAME.toml there` },
  )
}
