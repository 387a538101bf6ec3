/** Reads the archive beside its writer, or after it, without ever changing it. */

import { existsSync } from "node:fs"
import { join } from "node:path"
import { sql } from "kysely"
import { readBlob } from "./blobs.ts"
import { openForReading } from "./database.ts"
import type { AuditRow, CostRow, ExchangeRow, FindingRow } from "./schema.ts"

export interface ArchiveReader extends AsyncDisposable {
  /** In order of time. */
  exchanges(filter?: { readonly runId: string }): Promise<readonly ExchangeRow[]>
  /** The latest `limit` that were refused in a run since a time, in order of time. */
  refusals(filter: RefusalFilter): Promise<readonly ExchangeRow[]>
  /** The latest cost row of each exchange. */
  costs(): Promise<ReadonlyMap<string, CostRow>>
  findings(): Promise<readonly FindingRow[]>
  /** In order of time; empty for an archive that no program wrote to since there is an audit record. */
  audit(filter?: { readonly machine: string }): Promise<readonly AuditRow[]>
  /** The raw bytes of a body. */
  body(sha256: string): Promise<Buffer>
}

export interface RefusalFilter {
  readonly runId: string
  readonly sinceMs: number
  readonly limit: number
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
    async refusals({ runId, sinceMs, limit }) {
      const all = database.selectFrom("exchanges").selectAll().where("run_id", "=", runId)
      const refused = all.where("outcome", "=", "refused").where("started_at_ms", ">=", sinceMs)
      const latest = await refused.orderBy("id", "desc").limit(limit).execute()
      return latest.reverse()
    },
    async costs() {
      const rows = await database.selectFrom("costs").selectAll().orderBy("derived_at_ms").execute()
      return new Map(rows.map((row) => [row.exchange_id, row]))
    },
    findings: () => database.selectFrom("findings").selectAll().orderBy("id").execute(),
    async audit(filter) {
      const found = await sql`select 1 from sqlite_schema where name = 'audit'`.execute(database)
      if (found.rows.length === 0) return []
      const all = database.selectFrom("audit").selectAll().orderBy("id")
      return (filter ? all.where("machine", "=", filter.machine) : all).execute()
    },
    body: (sha256) => readBlob(join(dir, "blobs"), sha256),
    [Symbol.asyncDispose]: () => database.destroy(),
  }
}
