/** From what an operator wants on a running machine to a live rule with its line of the audit record. */

import type { z } from "zod"
import type { liveRequest } from "../contract/host-egress-api.ts"
import type { LiveRule } from "../contract/live-rule.ts"
import type { AuditRow } from "./archive/schema.ts"
import { auditEntry } from "./audit-entry.ts"
import type { LiveRuleDraft } from "./machine-egress.ts"
import { parseLiveDenial, parseLiveGrant } from "./policy/parse-live-rule.ts"
import type { ServiceUser } from "./read-service-user.ts"

export interface LiveRuleOrder {
  readonly kind: LiveRule["kind"]
  readonly wish: z.output<typeof liveRequest>
  readonly user: ServiceUser
  readonly now: () => number
  /** What the audit record calls it. */
  readonly action: AuditRow["action"]
}

export function draftLiveRule({ kind, wish, user, now, action }: LiveRuleOrder): LiveRuleDraft {
  const { forSeconds, claimedUser, why } = wish
  const by = { ...user, claimed: claimedUser }
  const owner = wish.owner ?? namedOwner(claimedUser ?? user.user)
  const make = (id: string): LiveRule => {
    const madeMs = now()
    const until = forSeconds === null ? null : new Date(madeMs + forSeconds * 1000).toISOString()
    const common = { by, madeAt: new Date(madeMs).toISOString(), until }
    return kind === "allow"
      ? { kind, grant: parseLiveGrant({ ...wish, id, owner }), ...common }
      : { kind, denial: parseLiveDenial({ ...wish, id, owner }), ...common }
  }
  return { make, entry: (rule) => auditEntry(action, rule, { claimedUser, why, forSeconds }) }
}

/** Owners have at least two characters, user names one. */
function namedOwner(user: string): string {
  return user.length > 1 ? user : `user ${user}`
}
