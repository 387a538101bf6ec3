/** Keeps the cost rows: one for each sealed model call; a start derives what a crash or a new price table left out. */

import { reasonOf } from "../contract/fault.ts"
import { readBlob } from "./archive/blobs.ts"
import type { Archive } from "./archive/open-archive.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import { readPrices } from "./cost/read-prices.ts"
import { deriveCost, isModelCall } from "./derive-cost.ts"
import type { Log } from "./exchange.ts"

export interface LedgerOptions {
  readonly archive: Archive
  readonly pricesDir: string
  readonly now: () => number
  readonly log: Log
}

export interface Ledger {
  /** Derives and appends the cost row of a sealed exchange; a failure is logged, readers derive it then. */
  settle(row: ExchangeRow): Promise<void>
}

/** An answer larger than this holds no usage that is worth its decoding. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { database, blobsDir } = options.archive
  const tables = await readPrices(options.pricesDir)
  const settle = async (row: ExchangeRow) => {
    if (!isModelCall(row) || row.response_bytes > MAX_ANSWER_BYTES) return
    try {
      const cost = deriveCost(row, await readBlob(blobsDir, row.response_sha256), tables, options.now())
      if (cost) await database.insertInto("costs").values(cost).execute()
    } catch (thrown) {
      options.log(`cost of ${row.id}: ${reasonOf(thrown)}`)
    }
  }
  const versions = [...tables.map((table) => table.version), "none"]
  const current = database.selectFrom("costs").select("exchange_id").where("price_version", "in", versions)
  const unsettled = await database
    .selectFrom("exchanges")
    .selectAll()
    .where("api", "is not", null)
    .where("status", "<", 400)
    .where("id", "not in", current)
    .execute()
  for (const row of unsettled) await settle(row)
  return { settle }
}
