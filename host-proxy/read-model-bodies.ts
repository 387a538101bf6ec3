/** Reads the archived bodies of a model call: what was asked and what was said. */

import { Fault } from "../contract/fault.ts"
import { type ProviderApi, providerDefinition } from "../contract/provider-definition.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { HeaderList } from "./exchange.ts"
import type { ModelQuestion, ModelTurn } from "./model-turn.ts"
import { readQuestion, readTurn, type StoredBody } from "./transcript/read-turn.ts"

/** Null when the exchange is no model call or the body's encoding cannot be undone. */
export function readAnswer(row: ExchangeRow, body: Buffer): ModelTurn | null {
  return readStored(row, row.response_headers, body, readTurn)
}

export function readAsked(row: ExchangeRow, body: Buffer): ModelQuestion | null {
  return readStored(row, row.request_headers, body, readQuestion)
}

/** The wire format of a model call; null when the exchange is none. */
export function apiOf(row: ExchangeRow): ProviderApi | null {
  return providerDefinition.shape.endpoints.element.shape.api.safeParse(row.api).data ?? null
}

function readStored<Result>(
  row: ExchangeRow,
  headers: string | null,
  body: Buffer,
  read: (stored: StoredBody) => Result,
): Result | null {
  const api = apiOf(row)
  if (!api) return null
  try {
    return read({ api, headers: headersOf(headers), body })
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "transcript/bad-encoding") return null
    throw thrown
  }
}

/** Written by the archive from a HeaderList. */
function headersOf(json: string | null): HeaderList {
  return json === null ? [] : (JSON.parse(json) as HeaderList)
}
