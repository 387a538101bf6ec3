/** A machine's sets and its live rules as one policy, and what changed between two policies. Pure. */

import { isDeepStrictEqual } from "node:util"
import type { EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import type { LiveRule } from "../../contract/live-rule.ts"

/** Live grants come behind those of the sets; a broken set stays the policy under which nothing leaves. */
export function composePolicy(base: EgressPolicy, rules: readonly LiveRule[], nowMs: number): EgressPolicy {
  if (base.kind === "broken") return base
  const counting = rules.filter((rule) => !hasEnded(rule, nowMs))
  return {
    ...base,
    grants: [...base.grants, ...counting.flatMap((rule) => (rule.kind === "allow" ? [rule.grant] : []))],
    denials: [...base.denials, ...counting.flatMap((rule) => (rule.kind === "deny" ? [rule.denial] : []))],
  }
}

export function hasEnded(rule: LiveRule, nowMs: number): boolean {
  return rule.until !== null && Date.parse(rule.until) <= nowMs
}

/** Grants of `after` that mean what none of `before` did, wherever they are written. */
export function newGrants(before: EgressPolicy, after: EgressPolicy): readonly EgressGrant[] {
  const meaning = ({ id: _id, source: _source, ...rest }: EgressGrant) => rest
  const known = grantsOf(before).map(meaning)
  return grantsOf(after).filter((one) => !known.some((other) => isDeepStrictEqual(meaning(one), other)))
}

function grantsOf(policy: EgressPolicy): readonly EgressGrant[] {
  return policy.kind === "broken" ? [] : policy.grants
}
