/** The archive and its ledger as `sessions` and `cost` read them, beside a running host service or without one. */

import { join } from "node:path"
import type { ArchiveReader } from "../host-proxy/archive/open-reader.ts"
import type { LedgerEntry } from "../host-proxy/read-ledger.ts"
import type { CliContext } from "./context.ts"

export interface Records extends AsyncDisposable {
  readonly reader: ArchiveReader
  readonly ledger: readonly LedgerEntry[]
}

/** Null when nothing was ever recorded. The caller disposes. */
export async function openRecords(context: CliContext): Promise<Records | null> {
  const { openReader } = await import("../host-proxy/archive/open-reader.ts")
  const reader = openReader(context.home.archive)
  if (!reader) return null
  const { readPrices } = await import("../host-proxy/cost/read-prices.ts")
  const { readLedger } = await import("../host-proxy/read-ledger.ts")
  const tables = await readPrices(join(context.projectDir, "policies", "prices"))
  const ledger = await readLedger(reader, tables, context.now())
  return { reader, ledger, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() }
}
