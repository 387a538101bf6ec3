/** Sums the ledger by what the reader asks for; pure. */

import type { Buckets } from "./cost/normalise-usage.ts"
import type { LedgerEntry } from "./read-ledger.ts"
import { sessionIdOf } from "./session-id.ts"

export const COST_KEYS = ["model", "session", "team", "project", "machine"] as const
export type CostKey = (typeof COST_KEYS)[number]

export interface CostGroup {
  /** One value for each key that was asked for. */
  readonly keys: Readonly<Partial<Record<CostKey, string>>>
  readonly calls: number
  readonly buckets: Buckets
  /** Of the calls that have a price. */
  readonly costNanoUsd: bigint
  /** Calls without a price: they are not in the cost. */
  readonly unpriced: number
  /** Why, each reason once. */
  readonly unpricedReasons: readonly string[]
  /** Calls whose output is a lower bound because their stream was cut. */
  readonly estimated: number
}

/** The dearest first; without keys, one group of all. */
export function groupCosts(entries: readonly LedgerEntry[], by: readonly CostKey[]): readonly CostGroup[] {
  const groups = Map.groupBy(entries, (entry) => JSON.stringify(by.map((key) => groupValue(entry, key))))
  const summed = [...groups.values()].map((members) => sumGroup(members, by))
  return summed.sort((left, right) => Number(right.costNanoUsd - left.costNanoUsd))
}

function sumGroup(members: readonly LedgerEntry[], by: readonly CostKey[]): CostGroup {
  const first = members[0]
  const keys = first ? Object.fromEntries(by.map((key) => [key, groupValue(first, key)])) : {}
  const unpriced = members.filter((entry) => entry.costNanoUsd === null)
  return {
    keys,
    calls: members.length,
    buckets: sumBuckets(members),
    costNanoUsd: members.reduce((sum, entry) => sum + (entry.costNanoUsd ?? 0n), 0n),
    unpriced: unpriced.length,
    unpricedReasons: [...new Set(unpriced.map((entry) => entry.unpricedReason ?? "unknown"))],
    estimated: members.filter((entry) => entry.usageSource === "estimated" || entry.usageSource === "partial")
      .length,
  }
}

export function sumBuckets(members: readonly LedgerEntry[]): Buckets {
  const sum = (pick: (buckets: Buckets) => number) =>
    members.reduce((total, one) => total + pick(one.buckets), 0)
  return {
    input: sum((one) => one.input),
    cacheRead: sum((one) => one.cacheRead),
    cacheWrite5m: sum((one) => one.cacheWrite5m),
    cacheWrite1h: sum((one) => one.cacheWrite1h),
    output: sum((one) => one.output),
  }
}

function groupValue(entry: LedgerEntry, key: CostKey): string {
  const { exchange } = entry
  switch (key) {
    case "model":
      return entry.model ?? "(unknown)"
    case "session":
      return sessionIdOf(exchange)
    case "team":
      return exchange.team
    case "project":
      return exchange.project
    case "machine":
      return exchange.machine
    default:
      return key satisfies never
  }
}
