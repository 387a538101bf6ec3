/** One line of the audit record as those write it who change what may leave; the rest is known of the machine. */

import { describeLiveRule } from "../contract/describe-live-rule.ts"
import type { LiveRule } from "../contract/live-rule.ts"
import type { AuditRow } from "./archive/schema.ts"
import { idOf } from "./policy/live-rules.ts"

export type AuditEntry = Omit<AuditRow, "id" | "at_ms" | "machine" | "run_id" | "uid" | "user"> & {
  /** Where it is not the run that is served. */
  readonly run_id?: string
}

export interface AuditRemark {
  readonly claimedUser?: string | null
  readonly why?: string | null
  readonly forSeconds?: number | null
  /** By default the rule in words. */
  readonly detail?: string
  readonly runId?: string
}

export function auditEntry(
  action: AuditRow["action"],
  rule: LiveRule | null,
  { claimedUser = null, why = null, forSeconds = null, detail, runId }: AuditRemark = {},
): AuditEntry {
  return {
    action,
    claimed_user: claimedUser,
    rule_id: rule && idOf(rule),
    rule: rule && JSON.stringify(rule),
    why,
    for_seconds: forSeconds,
    detail: detail ?? (rule ? describeLiveRule(rule) : ""),
    ...(runId === undefined ? {} : { run_id: runId }),
  }
}
