/** What the operator may do to a running machine's egress, as host.sock offers it. */

import type { z } from "zod"
import type {
  EgressReport,
  LiveChange,
  liveRequest,
  ReloadReport,
  revokeRequest,
} from "../contract/host-egress-api.ts"
import { type AskOptions, type AskSession, answerQuestions } from "./answer-questions.ts"
import { auditEntry } from "./audit-entry.ts"
import type { MachineEgress } from "./machine-egress.ts"
import { draftLiveRule } from "./make-live-rule.ts"
import type { ServiceUser } from "./read-service-user.ts"

export interface EgressControl {
  report(): EgressReport
  reload(claimedUser: string | null): Promise<ReloadReport>
  /** Faults: `egress/bad-rule`, `egress/too-many-rules`, and the policy's own when it is broken. */
  change(kind: "allow" | "deny", wish: z.output<typeof liveRequest>): Promise<LiveChange>
  revoke(wish: z.output<typeof revokeRequest>): Promise<LiveChange>
  ask(options: AskOptions): AskSession
}

export function controlEgress(
  machine: string,
  egress: MachineEgress,
  user: ServiceUser,
  now: () => number,
): EgressControl {
  return {
    report: () => egress.report(),
    reload: (claimedUser) => egress.reload(claimedUser),
    change: (kind, wish) => egress.addRule(draftLiveRule({ kind, wish, user, now, action: kind })),
    revoke: ({ id, why, claimedUser }) =>
      egress.revoke(id, (rule) => auditEntry("revoke", rule, { why, claimedUser })),
    ask: (options) => answerQuestions({ machine, egress, user, now }, options),
  }
}
