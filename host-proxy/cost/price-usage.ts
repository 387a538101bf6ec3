/** Prices disjoint token buckets in integer nano-dollars; what has no price is null, never zero. */

import type { PriceTable } from "../../contract/price-table.ts"
import type { Buckets, Usage } from "./normalise-usage.ts"

export interface PricedUsage {
  /** Billionths of a US dollar; null: unpriced. */
  readonly costNanoUsd: bigint | null
  readonly unpricedReason: string | null
  /** The version of the table that was used. */
  readonly priceVersion: string
}

export interface PriceQuestion {
  readonly provider: string
  /** The response's model. */
  readonly model: string | null
  readonly usage: Usage
  readonly atMs: number
}

type Entry = PriceTable["models"][number]

export function priceUsage(question: PriceQuestion, tables: readonly PriceTable[]): PricedUsage {
  const table = tables.find((one) => one.provider === question.provider)
  const priceVersion = table?.version ?? "none"
  const unpriced = (unpricedReason: string) => ({ costNanoUsd: null, unpricedReason, priceVersion })
  if (!table) return unpriced(`there is no price table for ${question.provider}`)
  if (question.usage.source === "none") return unpriced("the answer reported no usage")
  if (question.usage.unpriceable.length > 0)
    return unpriced(`no rate for ${question.usage.unpriceable.join(", ")}`)
  let pico = 0n
  for (const part of question.usage.parts) {
    const model = part.model ?? question.model ?? ""
    const entry = findEntry(table, model, question.atMs)
    if (!entry) return unpriced(`no rate for the model ${JSON.stringify(model)}`)
    const priced = priceBuckets(part.buckets, entry)
    if (typeof priced === "string") return unpriced(priced)
    pico += priced
  }
  return { costNanoUsd: roundToNano(pico), unpricedReason: null, priceVersion }
}

/** The most specific pattern wins, and among equals the latest that already holds. */
function findEntry(table: PriceTable, model: string, atMs: number): Entry | null {
  const fits = table.models.filter((entry) => {
    const pattern = entry.model
    const named = pattern.endsWith("*") ? model.startsWith(pattern.slice(0, -1)) : model === pattern
    return named && Date.parse(entry.effective_from) <= atMs
  })
  const rank = (entry: Entry) => [
    entry.model.endsWith("*") ? 0 : 1,
    entry.model.length,
    Date.parse(entry.effective_from),
  ]
  return fits.toSorted((left, right) => compareRanks(rank(right), rank(left)))[0] ?? null
}

function compareRanks(left: readonly number[], right: readonly number[]): number {
  const at = left.findIndex((value, index) => value !== right[index])
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0)
}

/** In 10^-12 dollars, which is exact for rates with up to six decimals; a text says why there is no price. */
function priceBuckets(buckets: Buckets, entry: Entry): bigint | string {
  const prompt = buckets.input + buckets.cacheRead + buckets.cacheWrite5m + buckets.cacheWrite1h
  if (entry.flat_up_to_tokens !== undefined && prompt > entry.flat_up_to_tokens) {
    return `no rate for a prompt of ${prompt} tokens with ${entry.model}`
  }
  const { rates } = entry
  const rows: [string, number, string | undefined][] = [
    ["input", buckets.input, rates.input],
    ["cache reads", buckets.cacheRead, rates.cache_read],
    ["5-minute cache writes", buckets.cacheWrite5m, rates.cache_write_5m],
    ["1-hour cache writes", buckets.cacheWrite1h, rates.cache_write_1h],
    ["output", buckets.output, rates.output],
  ]
  const missing = rows.find(([, count, rate]) => count > 0 && rate === undefined)
  if (missing) return `no rate for ${missing[0]} with ${entry.model}`
  return rows.reduce((sum, [, count, rate]) => sum + BigInt(count) * microOf(rate ?? "0"), 0n)
}

/** "3.75" dollars per million tokens is 3,750,000 millionths of a millionth of a dollar per token. */
function microOf(rate: string): bigint {
  const [whole = "0", fraction = ""] = rate.split(".")
  return BigInt(whole + fraction.padEnd(6, "0"))
}

function roundToNano(pico: bigint): bigint {
  return (pico + 500n) / 1000n
}
