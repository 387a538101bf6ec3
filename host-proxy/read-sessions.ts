/** Sessions as a pure view of the archive: who ran, when, how much, and what was refused. */

import type { ArchiveReader } from "./archive/open-reader.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { Buckets } from "./cost/normalise-usage.ts"
import { sumBuckets } from "./group-costs.ts"
import type { LedgerEntry } from "./read-ledger.ts"
import { sessionIdOf } from "./session-id.ts"

export interface SessionSummary {
  readonly id: string
  readonly runId: string
  /** The harness's own id, as it claims. */
  readonly claimed: string | null
  readonly machine: string
  readonly team: string
  readonly project: string
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly exchanges: number
  /** Calls that a model answered. */
  readonly turns: number
  readonly refusals: number
  /** Answers that were cut, by whichever side. */
  readonly cut: number
  readonly models: readonly string[]
  readonly buckets: Buckets
  readonly costNanoUsd: bigint
  readonly unpriced: number
}

/** In order of their beginning. */
export async function readSessions(
  reader: ArchiveReader,
  ledger: readonly LedgerEntry[],
): Promise<readonly SessionSummary[]> {
  const groups = Map.groupBy(await reader.exchanges(), sessionIdOf)
  const entries = Map.groupBy(ledger, (entry) => sessionIdOf(entry.exchange))
  return [...groups].flatMap(([id, rows]) => summarise(id, rows, entries.get(id) ?? []))
}

/** The session whose id, or whose claimed id, begins with `prefix`; a list of ids when it is none or several. */
export function findSession(
  sessions: readonly SessionSummary[],
  prefix: string,
): SessionSummary | { readonly candidates: readonly string[] } {
  const exact = sessions.find((one) => one.id === prefix)
  const fits = sessions.filter((one) => one.id.startsWith(prefix) || one.claimed?.startsWith(prefix))
  const only = exact ?? (fits.length === 1 ? fits[0] : undefined)
  return only ?? { candidates: fits.map((one) => one.id) }
}

function summarise(
  id: string,
  rows: readonly ExchangeRow[],
  entries: readonly LedgerEntry[],
): SessionSummary[] {
  const first = rows[0]
  if (!first) return []
  const count = (test: (row: ExchangeRow) => boolean) => rows.filter(test).length
  return [
    {
      id,
      runId: first.run_id,
      claimed: first.claimed_session,
      machine: first.machine,
      team: first.team,
      project: first.project,
      startedAtMs: first.started_at_ms,
      endedAtMs: Math.max(...rows.map((row) => row.ended_at_ms)),
      exchanges: rows.length,
      turns: entries.length,
      refusals: count((row) => row.outcome === "refused"),
      cut: count((row) => ["client-aborted", "upstream-failed", "interrupted"].includes(row.outcome)),
      models: [...new Set(entries.map((entry) => entry.model ?? "(unknown)"))],
      buckets: sumBuckets(entries),
      costNanoUsd: entries.reduce((sum, entry) => sum + (entry.costNanoUsd ?? 0n), 0n),
      unpriced: entries.filter((entry) => entry.costNanoUsd === null).length,
    },
  ]
}
