/** A policy as a document for programs: what was read, each rule with its words, what to look at, floor and wall. Pure. */

import type { EgressView } from "../egress-view.ts"
import { describeFloor } from "./describe-floor.ts"
import { describeGrant } from "./describe-grant.ts"
import { FACT_KINDS, findFacts } from "./find-facts.ts"

/** `today` is the day in UTC, YYYY-MM-DD. */
export function renderJson(view: EgressView, today: string): string {
  const { policy, ...rest } = view
  const described =
    policy.kind === "broken"
      ? policy
      : {
          ...policy,
          grants: policy.grants.map((one) => ({ ...one, state: describeGrant(one, today).state })),
        }
  const facts = findFacts(policy, today).map((fact) => ({ ...fact, level: FACT_KINDS[fact.kind].level }))
  const document = { ...rest, today, policy: described, facts, floor: describeFloor() }
  return `${JSON.stringify(document, null, 2)}\n`
}
