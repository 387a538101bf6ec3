/** The pure spine of what an exchange cost: its row and the raw answer → turn → usage → price. */

import type { PriceTable } from "../contract/price-table.ts"
import type { ProviderApi } from "../contract/provider-definition.ts"
import type { CostRow, ExchangeRow } from "./archive/schema.ts"
import { type Buckets, NO_TOKENS, normaliseUsage, type Usage } from "./cost/normalise-usage.ts"
import { priceUsage } from "./cost/price-usage.ts"
import { apiOf, readAnswer } from "./read-model-bodies.ts"

/** Whether an exchange went to a model: only those can cost tokens. */
export function isModelCall(row: ExchangeRow): row is ExchangeRow & { provider: string; api: ProviderApi } {
  return row.provider !== null && apiOf(row) !== null
}

/** Null for what is no model call, and for what the provider answered with an error. */
export function deriveCost(
  row: ExchangeRow,
  answer: Buffer,
  tables: readonly PriceTable[],
  nowMs: number,
): CostRow | null {
  if (!isModelCall(row) || (row.status !== null && row.status >= 400)) return null
  const turn = row.status === null ? null : readAnswer(row, answer)
  const usage = turn ? normaliseUsage(row.api, turn) : NO_USAGE
  const model = turn?.model ?? null
  const priced = priceUsage({ provider: row.provider, model, usage, atMs: row.started_at_ms }, tables)
  // left before any answer came: the provider may bill it all the same, so it is shown, without a price
  const unanswered = row.status === null ? "the call was left before an answer came" : null
  return {
    exchange_id: row.id,
    model,
    response_id: turn?.responseId ?? null,
    usage_raw: turn?.usage ? JSON.stringify(turn.usage) : null,
    usage_source: usage.source,
    buckets: JSON.stringify(sumParts(usage)),
    // a row's cost is far below the nine million dollars that a double holds in nano-dollars
    cost_nano_usd: priced.costNanoUsd === null ? null : Number(priced.costNanoUsd),
    unpriced_reason: unanswered ?? priced.unpricedReason,
    price_version: priced.priceVersion,
    derived_at_ms: nowMs,
  }
}

const NO_USAGE: Usage = { source: "none", parts: [], unpriceable: [] }

function sumParts(usage: Usage): Buckets {
  return usage.parts.reduce<Buckets>(
    (sum, { buckets }) => ({
      input: sum.input + buckets.input,
      cacheRead: sum.cacheRead + buckets.cacheRead,
      cacheWrite5m: sum.cacheWrite5m + buckets.cacheWrite5m,
      cacheWrite1h: sum.cacheWrite1h + buckets.cacheWrite1h,
      output: sum.output + buckets.output,
    }),
    NO_TOKENS,
  )
}
