/** One session in full: its exchanges in order, each with what was asked, said, called, refused and paid. */

import type { ArchiveReader } from "./archive/open-reader.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { ModelQuestion, ModelTurn } from "./model-turn.ts"
import type { LedgerEntry } from "./read-ledger.ts"
import { readAnswer, readAsked } from "./read-model-bodies.ts"
import { sessionIdOf } from "./session-id.ts"

export interface SessionStep {
  readonly exchange: ExchangeRow
  /** Null for what was no model call, or was refused. */
  readonly question: ModelQuestion | null
  readonly turn: ModelTurn | null
  readonly entry: LedgerEntry | null
}

export async function readSessionSteps(
  reader: ArchiveReader,
  ledger: readonly LedgerEntry[],
  sessionId: string,
): Promise<readonly SessionStep[]> {
  const [runId = ""] = sessionId.split(".", 1)
  const rows = (await reader.exchanges({ runId })).filter((row) => sessionIdOf(row) === sessionId)
  const entries = new Map(ledger.map((entry) => [entry.exchange.id, entry]))
  const steps: SessionStep[] = []
  for (const exchange of rows) {
    const called = exchange.api !== null
    steps.push({
      exchange,
      question: called ? readAsked(exchange, await reader.body(exchange.request_sha256)) : null,
      turn: called ? readAnswer(exchange, await reader.body(exchange.response_sha256)) : null,
      entry: entries.get(exchange.id) ?? null,
    })
  }
  return steps
}
