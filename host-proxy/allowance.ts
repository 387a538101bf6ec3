/** What one run of a machine may still do: how fast its calls begin, and how many bytes it may send. */

import type { MachineRecord } from "../contract/machine-record.ts"
import type { Archive } from "./archive/open-archive.ts"
import { readSpent } from "./archive/read-spent.ts"
import { ByteBudget, type Spender } from "./byte-budget.ts"
import type { CallLimits } from "./call-limits.ts"
import type { GuestHead, Refusal } from "./exchange.ts"
import { headBytes } from "./head-bytes.ts"
import { openRequestRate, type RequestRate } from "./request-rate.ts"

/** Of a machine whose record says nothing. */
const DEFAULT_BUDGET_MIB = 1024

export interface Allowance {
  readonly budget: ByteBudget
  readonly admit: RequestRate
  /** Counts a call's head, or says why the call may not leave. */
  readonly begin: (head: GuestHead, spender: Spender) => Refusal | null
}

/** What the counts are made with. */
interface Counted {
  readonly archive: Archive
  readonly limits: CallLimits
  readonly now: () => number
}

/** `ended`: nobody waits any longer. */
export async function openAllowance(
  { archive, limits, now }: Counted,
  { runId, egressBudgetMib }: Pick<MachineRecord, "runId" | "egressBudgetMib">,
  ended: AbortSignal,
): Promise<Allowance> {
  const budget = new ByteBudget((egressBudgetMib ?? DEFAULT_BUDGET_MIB) * 1024 * 1024)
  for await (const { bytes, host, rule } of readSpent(archive.database, runId))
    budget.add(bytes, { host, rule })
  return {
    budget,
    admit: openRequestRate(limits.requests, now, ended),
    begin: (head, spender) => budget.charge(headBytes(head), spender),
  }
}
