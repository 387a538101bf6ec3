/** The archive and its ledger as `sessions` and `cost` read them, beside a running host service or without one. */

import { join } from "node:path"
import { type ArchiveReader, openReader } from "../host-proxy/archive/open-reader.ts"
import { readPrices } from "../host-proxy/cost/read-prices.ts"
import { type LedgerEntry, readLedger } from "../host-proxy/read-ledger.ts"
import type { CliContext } from "./context.ts"

export interface Records extends AsyncDisposable {
  readonly reader: ArchiveReader
  readonly ledger: readonly LedgerEntry[]
}

/** Null when nothing was ever recorded. The caller disposes. */
export async function openRecords(context: CliContext): Promise<Records | null> {
  const reader = openReader(context.home.archive)
  if (!reader) return null
  const tables = await readPrices(join(context.projectDir, "policies", "prices"))
  const ledger = await readLedger(reader, tables, context.now())
  return { reader, ledger, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() }
}
