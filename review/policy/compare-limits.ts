/** How one grant that allows a request is looser than another that allows it too. Pure. */

import type { EgressGrant } from "../../contract/egress-grant.ts"
import type { OpeningCause } from "../policy-diff.ts"

export function compareLimits(before: EgressGrant, after: EgressGrant): OpeningCause[] {
  const looser: OpeningCause[] = []
  if (before.bodyCheck !== null && before.bodyCheck !== after.bodyCheck) looser.push("body-check")
  if (isMore(after.maxRequestBytes, before.maxRequestBytes)) looser.push("request-size")
  if (isMore(after.budgetBytes, before.budgetBytes)) looser.push("budget")
  return looser
}

/** Null is what holds for all machines, and no number of a rule is above that. */
function isMore(left: number | null, right: number | null): boolean {
  return (left ?? Number.POSITIVE_INFINITY) > (right ?? Number.POSITIVE_INFINITY)
}
