/** Reads the egress sets that a machine names; one that is missing or broken closes the machine altogether. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { egressSet } from "../../contract/egress-set.ts"
import { reasonOf } from "../../contract/fault.ts"
import { parseToml } from "../../contract/toml.ts"
import type { MachinePolicy } from "./decide-egress.ts"

const NAME = /^[a-z0-9][a-z0-9-]*$/

/** The policy of a machine that names `sets`, read from `dir`. Never throws: what is wrong becomes a refusal. */
export async function readEgressSets(dir: string, sets: readonly string[]): Promise<MachinePolicy> {
  const read = await Promise.all(sets.map((name) => readOne(dir, name)))
  const broken = read.find((policy) => policy.kind === "broken")
  if (broken) return broken
  return { kind: "sets", sets: read.flatMap((policy) => (policy.kind === "sets" ? policy.sets : [])) }
}

async function readOne(dir: string, name: string): Promise<MachinePolicy> {
  if (!NAME.test(name)) return brokenSet("egress/set-unknown", `${JSON.stringify(name)} is not a set's name`)
  const file = join(dir, `${name}.toml`)
  let text: string
  try {
    text = await readFile(file, "utf8")
  } catch (thrown) {
    return brokenSet("egress/set-unknown", `the egress set ${name} cannot be read (${reasonOf(thrown)})`)
  }
  try {
    const set = parseToml({ text, file: `policies/egress/${name}.toml`, stage: "egress" }, egressSet)
    if (set.name === name) return { kind: "sets", sets: [set] }
    return brokenSet("egress/set-broken", `policies/egress/${name}.toml calls itself ${set.name}`)
  } catch (thrown) {
    return brokenSet("egress/set-broken", reasonOf(thrown))
  }
}

function brokenSet(rule: string, reason: string): MachinePolicy {
  return { kind: "broken", rule, reason }
}
