/** Keeps the cost rows: one for each sealed model call, and a new one where the price table has changed since. */

import { reasonOf } from "../contract/fault.ts"
import { readBlob } from "./archive/blobs.ts"
import { openGroupCommit } from "./archive/group-commit.ts"
import type { Archive } from "./archive/open-archive.ts"
import type { CostRow, ExchangeRow } from "./archive/schema.ts"
import { readPrices } from "./cost/read-prices.ts"
import { deriveCost, isModelCall } from "./derive-cost.ts"
import type { Log } from "./exchange.ts"

export interface LedgerOptions {
  readonly archive: Archive
  readonly pricesDir: string
  readonly now: () => number
  readonly log: Log
}

export interface Ledger extends AsyncDisposable {
  /** Derives and appends the cost row of a sealed exchange; a failure is logged, readers derive it then. */
  settle(row: ExchangeRow): Promise<void>
  /** Resolves when the calls that a crash or an older price table left behind have their rows. */
  readonly caughtUp: Promise<void>
}

/** An answer larger than this holds no usage that is worth its decoding. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { database, blobsDir } = options.archive
  const tables = await readPrices(options.pricesDir)
  const append = openGroupCommit<CostRow>((rows) => database.insertInto("costs").values(rows).execute())
  const ended = new AbortController()
  const settle = async (row: ExchangeRow) => {
    if (!isModelCall(row) || row.response_bytes > MAX_ANSWER_BYTES) return
    try {
      const cost = deriveCost(row, await readBlob(blobsDir, row.response_sha256), tables, options.now())
      if (cost) await append(cost)
    } catch (thrown) {
      options.log(`cost of ${row.id}: ${reasonOf(thrown)}`)
    }
  }
  const behind = await readUnsettled(
    options.archive,
    tables.map((table) => table.version),
  )
  const caughtUp = settleAll(behind, settle, ended.signal)
  return {
    settle,
    caughtUp,
    async [Symbol.asyncDispose]() {
      ended.abort()
      await caughtUp
    },
  }
}

/** Model calls without a row by the tables of today; `none` stands on calls to a provider that has no table. */
function readUnsettled(archive: Archive, versions: readonly string[]): Promise<readonly ExchangeRow[]> {
  const { database } = archive
  const current = database
    .selectFrom("costs")
    .select("exchange_id")
    .where("price_version", "in", [...versions, "none"])
  return database
    .selectFrom("exchanges")
    .selectAll()
    .where("api", "is not", null)
    .where("status", "<", 400)
    .where("id", "not in", current)
    .execute()
}

/** In the background: nobody's call waits for the past. */
async function settleAll(
  rows: readonly ExchangeRow[],
  settle: (row: ExchangeRow) => Promise<void>,
  ended: AbortSignal,
): Promise<void> {
  for (const row of rows) {
    if (ended.aborted) return
    await settle(row)
  }
}
