/** Where what one rule's budget bounded is spread over several rules, whose budgets add up to more. Pure. */

import type { EgressGrant } from "../../contract/egress-grant.ts"
import type { OpenRequests } from "./join-openings.ts"

/** Requests of one class that a grant with a budget answered, and another answers now. */
export interface SharedRequests extends Omit<OpenRequests, "cause" | "other"> {
  readonly other: EgressGrant
}

export function findSharedBudgets(shared: readonly SharedRequests[]): OpenRequests[] {
  const groups = Map.groupBy(shared, ({ other }) => `${other.id} ${other.host}`)
  return [...groups.values()].flatMap((group) => {
    const budget = group[0]?.other.budgetBytes ?? null
    const now = new Map(group.map(({ grant }) => [`${grant.id} ${grant.host}`, grant.budgetBytes]))
    const sum = [...now.values()].reduce<number>((bytes, one) => bytes + (one ?? Number.POSITIVE_INFINITY), 0)
    if (budget === null || now.size < 2 || sum <= budget) return []
    // no request of these does more than before; all of them together do
    return group.map((one) => ({ ...one, cause: "budget" as const, example: null }))
  })
}
