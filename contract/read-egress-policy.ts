/** Puts the policy of a machine together from the texts of its sets; whatever is wrong with one closes all. Pure. */

import type { EgressGrant, EgressPolicy } from "./egress-grant.ts"
import { egressSet } from "./egress-set.ts"
import { expandEgressSet } from "./expand-egress-set.ts"
import { Fault, reasonOf } from "./fault.ts"
import { lineOfKey, parseToml } from "./toml.ts"

/** A set that a machine names: its file's text, or why it could not be had. */
export type EgressSetText =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly missing: string }

/** The path of a set as people write it, from the project's folder. */
export function egressSetFile(name: string): string {
  return `policies/egress/${name}.toml`
}

/** One set with what it lets out. Faults: `egress/bad-toml`, `egress/bad-field`, each with file, line and key. */
export function readEgressSet(name: string, text: string): readonly EgressGrant[] {
  const file = egressSetFile(name)
  const set = parseToml({ text, file, stage: "egress" }, egressSet)
  if (set.name === name) return expandEgressSet(set, { text, file })
  const line = lineOfKey(text, ["name"])
  throw new Fault(
    "egress/bad-field",
    `${file}:${line}: name: is "${set.name}", and the file is ${name}.toml`,
    {
      hint: "a set has the name of its file, so that a copied one is noticed",
    },
  )
}

/** Never throws: a set that is missing or broken is the policy under which nothing leaves. */
export function readEgressPolicy(texts: readonly EgressSetText[]): EgressPolicy {
  const grants: EgressGrant[] = []
  for (const one of texts) {
    if ("missing" in one) return { kind: "broken", rule: "egress/set-unknown", reason: one.missing }
    try {
      grants.push(...readEgressSet(one.name, one.text))
    } catch (thrown) {
      return { kind: "broken", rule: "egress/set-broken", reason: reasonOf(thrown) }
    }
  }
  return { kind: "rules", sets: texts.map(({ name }) => name), grants, denials: [] }
}
