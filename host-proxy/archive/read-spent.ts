/** What a run of a machine has sent so far, summed from the archive: a budget outlives the service that counts it. */

import { headBytes } from "../head-bytes.ts"
import type { ArchiveDatabase } from "./database.ts"

export interface Spent {
  readonly host: string
  /** The rule that let it out; a call that was refused half-way has the refusal's instead. */
  readonly rule: string
  readonly bytes: number
}

/** Rows are read in pages: a run may have very many. */
const PAGE = 500

/** One entry a call that sent something. */
export async function* readSpent(database: ArchiveDatabase, runId: string): AsyncGenerator<Spent> {
  for (let after = ""; ; ) {
    const rows = await database
      .selectFrom("exchanges")
      .select(["id", "method", "authority", "target", "request_headers", "request_bytes", "rule", "outcome"])
      .where("run_id", "=", runId)
      .where("id", ">", after)
      .orderBy("id")
      .limit(PAGE)
      .execute()
    for (const row of rows) {
      if (row.outcome === "refused" && row.request_bytes === 0) continue
      const { method, authority, target } = row
      const bytes =
        headBytes({ method, authority, target, headers: JSON.parse(row.request_headers) }) + row.request_bytes
      yield { host: authority.toLowerCase().replace(/:\d+$/, ""), rule: row.rule ?? "", bytes }
    }
    const last = rows.at(-1)
    if (rows.length < PAGE || !last) return
    after = last.id
  }
}
