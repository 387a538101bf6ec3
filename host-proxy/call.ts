/** Who takes part in a call besides the guest's stream: the gateway and the machine it came from. */

import type { EgressPolicy } from "../contract/egress-grant.ts"
import type { Allowance } from "./allowance.ts"
import type { Archive } from "./archive/open-archive.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { AskedCall, AskOutcome } from "./ask/ask-desk.ts"
import type { CallLimits } from "./call-limits.ts"
import type { CallInFlight, CallsInFlight } from "./calls-in-flight.ts"
import type { Caller, Log, Refusal } from "./exchange.ts"
import type { Pace } from "./pace.ts"
import type { Outbound } from "./provider/outbound.ts"
import type { RouteSources } from "./provider/route.ts"

export interface Gateway {
  readonly archive: Archive
  readonly outbound: Outbound
  readonly sources: RouteSources
  /** Compares and prices a sealed exchange; called when its answer has ended. */
  readonly settle: (row: ExchangeRow) => Promise<void>
  readonly limits: CallLimits
  readonly now: () => number
  readonly log: Log
}

/** A machine as the gateway knows it. */
export interface GatewayMachine {
  readonly caller: Caller
  /** What may leave at this moment. */
  readonly policy: () => EgressPolicy
  /** Why nothing may leave, whatever policy says; null while the machine is what its manifest promised. */
  readonly gate: () => Refusal | null
  /** Resolves when the gate's answer is known, or after a moment: after a restart a call waits rather than fails. */
  readonly settled: () => Promise<void>
  readonly calls: CallsInFlight
  /** Asks whoever answers for the machine about what no rule speaks of; null: nobody does. */
  readonly ask: (call: AskedCall, gone: AbortSignal) => Promise<AskOutcome | null>
  readonly isAsking: () => boolean
  /** What the policy of this moment says against a call that was let out earlier. */
  readonly refuses: (call: Pick<CallInFlight, "request" | "rule">) => Refusal | null
  /** How fast its calls begin and how much it may send. */
  readonly allowance: Allowance
  readonly placeholders: Readonly<Record<string, string>>
  /** Aborted when the service lets go of the machine. */
  readonly detached: AbortSignal
  /** A refusal costs the guest nothing and the host a row: a flood of them waits for itself. */
  readonly refusals: Pace
}
