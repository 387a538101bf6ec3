/** Reads the archive beside its writer, or after it, without ever changing it. */

import { existsSync } from "node:fs"
import { join } from "node:path"
import { readBlob } from "./blobs.ts"
import { openForReading } from "./database.ts"
import type { CostRow, ExchangeRow, FindingRow } from "./schema.ts"

export interface ArchiveReader extends AsyncDisposable {
  /** In order of time. */
  exchanges(filter?: { readonly runId: string }): Promise<readonly ExchangeRow[]>
  /** The latest cost row of each exchange. */
  costs(): Promise<ReadonlyMap<string, CostRow>>
  findings(): Promise<readonly FindingRow[]>
  /** The raw bytes of a body. */
  body(sha256: string): Promise<Buffer>
}

/** Null when nothing was ever recorded. */
export function openReader(dir: string): ArchiveReader | null {
  const file = join(dir, "archive.db")
  if (!existsSync(file)) return null
  const database = openForReading(file)
  return {
    exchanges(filter) {
      const all = database.selectFrom("exchanges").selectAll().orderBy("id")
      return (filter ? all.where("run_id", "=", filter.runId) : all).execute()
    },
    async costs() {
      const rows = await database.selectFrom("costs").selectAll().orderBy("derived_at_ms").execute()
      return new Map(rows.map((row) => [row.exchange_id, row]))
    },
    findings: () => database.selectFrom("findings").selectAll().orderBy("id").execute(),
    body: (sha256) => readBlob(join(dir, "blobs"), sha256),
    [Symbol.asyncDispose]: () => database.destroy(),
  }
}
