/** Appends to the audit record: durable when it resolves, and never changed again (the table's triggers see to that). */

import { newIdentifier } from "../../contract/identifier.ts"
import type { ArchiveDatabase } from "./database.ts"
import type { AuditRow } from "./schema.ts"

export async function appendAudit(database: ArchiveDatabase, entry: Omit<AuditRow, "id">): Promise<void> {
  const id = newIdentifier(entry.at_ms)
  await database
    .insertInto("audit")
    .values({ id, ...entry })
    .execute()
}
