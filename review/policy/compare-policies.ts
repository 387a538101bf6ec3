/** What opens, what closes and what else changes from one policy to another. Pure. */

import type { EgressPolicy } from "../../contract/egress-grant.ts"
import type { PolicyDiff } from "../policy-diff.ts"
import { type DivisionCache, findOpenings } from "./find-openings.ts"
import { listChanges } from "./list-changes.ts"

/** `today` is the day in UTC, YYYY-MM-DD. */
export function comparePolicies(before: EgressPolicy, after: EgressPolicy, today: string): PolicyDiff {
  const divided: DivisionCache = new Map()
  const opens = findOpenings(before, after, today, divided)
  const closes = findOpenings(after, before, today, divided)
  return {
    opens,
    closes: closes.filter(({ cause }) => cause !== "later"),
    ends: closes.filter(({ cause }) => cause === "later"),
    changes: listChanges({ before, after, opens, closes }),
  }
}
