/** What opens, what closes and what else changes from one policy to another. Pure. */

import type { EgressPolicy } from "../../contract/egress-grant.ts"
import type { PolicyDiff } from "../policy-diff.ts"
import { findOpenings } from "./find-openings.ts"
import { listChanges } from "./list-changes.ts"

/** `today` is the day in UTC, YYYY-MM-DD. */
export function comparePolicies(before: EgressPolicy, after: EgressPolicy, today: string): PolicyDiff {
  const opens = findOpenings(before, after, today)
  const closes = findOpenings(after, before, today)
  return {
    opens,
    closes: closes.filter(({ cause }) => cause !== "later"),
    ends: closes.filter(({ cause }) => cause === "later"),
    changes: listChanges({ before, after, opens, closes }),
  }
}
