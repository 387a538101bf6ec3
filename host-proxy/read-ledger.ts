/** Every model call with what it cost: the ledger's rows, and what the ledger had no time to write. */

import type { PriceTable } from "../contract/price-table.ts"
import type { ArchiveReader } from "./archive/open-reader.ts"
import type { CostRow, ExchangeRow } from "./archive/schema.ts"
import type { Buckets } from "./cost/normalise-usage.ts"
import { deriveCost } from "./derive-cost.ts"

export interface LedgerEntry {
  readonly exchange: ExchangeRow
  readonly model: string | null
  readonly usageSource: CostRow["usage_source"]
  readonly buckets: Buckets
  /** Null: unpriced. */
  readonly costNanoUsd: bigint | null
  readonly unpricedReason: string | null
  readonly priceVersion: string
}

/** In order of time; calls that never reached a model are left out. */
export async function readLedger(
  reader: ArchiveReader,
  tables: readonly PriceTable[],
  nowMs: number,
): Promise<readonly LedgerEntry[]> {
  const costs = await reader.costs()
  const entries: LedgerEntry[] = []
  for (const exchange of await reader.exchanges()) {
    const known = costs.get(exchange.id)
    const cost = known ?? (await deriveMissing(reader, exchange, tables, nowMs))
    if (cost) entries.push(entryOf(exchange, cost))
  }
  return entries
}

async function deriveMissing(
  reader: ArchiveReader,
  exchange: ExchangeRow,
  tables: readonly PriceTable[],
  nowMs: number,
): Promise<CostRow | null> {
  if (exchange.api === null) return null
  return deriveCost(exchange, await reader.body(exchange.response_sha256), tables, nowMs)
}

function entryOf(exchange: ExchangeRow, cost: CostRow): LedgerEntry {
  return {
    exchange,
    model: cost.model,
    usageSource: cost.usage_source,
    // written by derive-cost.ts from Buckets
    buckets: JSON.parse(cost.buckets) as Buckets,
    costNanoUsd: cost.cost_nano_usd === null ? null : BigInt(cost.cost_nano_usd),
    unpricedReason: cost.unpriced_reason,
    priceVersion: cost.price_version,
  }
}
