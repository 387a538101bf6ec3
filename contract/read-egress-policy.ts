/** Puts the policy of a machine together from the texts of its sets; whatever is wrong with one closes all. Pure. */

import type { EgressGrant, EgressPolicy } from "./egress-grant.ts"
import { egressSet } from "./egress-set.ts"
import { expandEgressSet } from "./expand-egress-set.ts"
import { reasonOf } from "./fault.ts"
import { parseToml } from "./toml.ts"

/** A set that a machine names: its file's text, or why it could not be had. */
export type EgressSetText =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly missing: string }

/** The path of a set as people write it, from the project's folder. */
export function egressSetFile(name: string): string {
  return `policies/egress/${name}.toml`
}

/** Never throws: a set that is missing or broken is the policy under which nothing leaves. */
export function readEgressPolicy(texts: readonly EgressSetText[]): EgressPolicy {
  const grants: EgressGrant[] = []
  for (const one of texts) {
    if ("missing" in one) return { kind: "broken", rule: "egress/set-unknown", reason: one.missing }
    const file = egressSetFile(one.name)
    try {
      const set = parseToml({ text: one.text, file, stage: "egress" }, egressSet)
      if (set.name !== one.name) {
        return { kind: "broken", rule: "egress/set-broken", reason: `${file} calls itself ${set.name}` }
      }
      grants.push(...expandEgressSet(set, { text: one.text, file }))
    } catch (thrown) {
      return { kind: "broken", rule: "egress/set-broken", reason: reasonOf(thrown) }
    }
  }
  return { kind: "rules", sets: texts.map(({ name }) => name), grants, denials: [] }
}
