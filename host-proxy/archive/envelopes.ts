/** Keeps the guest's own accounts of its exchanges and compares each with what the host saw. */

import { newIdentifier } from "../../contract/identifier.ts"
import { type Envelope, envelope as envelopeShape } from "../../contract/uplink.ts"
import type { ArchiveDatabase } from "./database.ts"
import type { ExchangeRow, FindingRow } from "./schema.ts"

/** Durable when it resolves; repeats are dropped. */
export async function appendEnvelopes(
  database: ArchiveDatabase,
  runId: string,
  batch: readonly Envelope[],
  nowMs: number,
): Promise<void> {
  if (batch.length === 0) return
  const rows = batch.map((one) => ({
    run_id: runId,
    id: one.id,
    body: JSON.stringify(one),
    received_at_ms: nowMs,
  }))
  await database
    .insertInto("envelopes")
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Compares the guest's and the host's record of one exchange, if both are there; a difference is a finding. */
export async function compareAccounts(
  database: ArchiveDatabase,
  runId: string,
  claimedId: string,
  nowMs: number,
): Promise<void> {
  const claims = await database
    .selectFrom("envelopes")
    .select("body")
    .where("run_id", "=", runId)
    .where("id", "=", claimedId)
    .execute()
  const rows = await database
    .selectFrom("exchanges")
    .selectAll()
    .where("run_id", "=", runId)
    .where("claimed_exchange", "=", claimedId)
    .limit(2) // a guest may give all its exchanges one id
    .execute()
  const claim = claims[0]
  if (!claim || rows.length === 0) return
  const said = envelopeShape.parse(JSON.parse(claim.body))
  const differences =
    rows.length > 1
      ? ["several exchanges claim one id"]
      : rows.flatMap((row) => describeDifferences(row, said))
  if (differences.length === 0) return
  await appendFinding(database, {
    run_id: runId,
    exchange_id: rows[0]?.id ?? null,
    kind: "tamper/digests-differ",
    detail: differences.join("; "),
    found_at_ms: nowMs,
  })
}

/** A finding of one kind stands once for an exchange; those of a run as often as they come. */
export async function appendFinding(
  database: ArchiveDatabase,
  finding: Omit<FindingRow, "id">,
): Promise<void> {
  const known = await database
    .selectFrom("findings")
    .select("id")
    .where("exchange_id", "=", finding.exchange_id) // never true for null
    .where("kind", "=", finding.kind)
    .execute()
  if (known.length > 0) return
  const id = newIdentifier(finding.found_at_ms)
  await database
    .insertInto("findings")
    .values({ id, ...finding })
    .execute()
}

/** Bodies are compared only where both sides saw the whole of them. */
function describeDifferences(row: ExchangeRow, said: Envelope): string[] {
  const facts: [string, unknown, unknown][] = [
    ["method", row.method, said.method],
    ["authority", row.authority.toLowerCase(), said.authority.toLowerCase()],
  ]
  if (row.outcome === "complete" && said.outcome === "complete") {
    facts.push(["status", row.status, said.status])
    facts.push(["request bytes", row.request_bytes, said.requestBytes])
    facts.push(["request sha256", row.request_sha256, said.requestSha256])
    facts.push(["response bytes", row.response_bytes, said.responseBytes])
    facts.push(["response sha256", row.response_sha256, said.responseSha256])
  }
  return facts
    .filter(([, host, guest]) => host !== guest)
    .map(([name, host, guest]) => `${name}: the host saw ${host}, the guest says ${guest}`)
}
