/** After a crash: turns what lies in the spool into rows marked `interrupted`, so that nothing that came is lost. */

import { createHash } from "node:crypto"
import { createReadStream, existsSync } from "node:fs"
import { readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { reasonOf } from "../../contract/fault.ts"
import type { ExchangeEnd, Log } from "../exchange.ts"
import { EMPTY_SHA256, storeBlob } from "./blobs.ts"
import type { ArchiveDatabase } from "./database.ts"
import { parseSpoolHead, type SpoolHead } from "./head-spool.ts"
import type { ExchangeRow } from "./schema.ts"
import { removeSpool, spoolPaths } from "./spool.ts"

export interface Recovery {
  readonly database: ArchiveDatabase
  readonly blobsDir: string
  readonly spoolDir: string
  readonly nowMs: number
  readonly log: Log
}

interface BodyDigest {
  readonly sha256: string
  readonly sizeBytes: number
}

/** Recovers all that lies in the spool, or only the exchanges named. */
export async function recoverSpool(
  recovery: Recovery,
  only?: Iterable<string>,
): Promise<readonly ExchangeRow[]> {
  const ids = new Set(only ?? (await readdir(recovery.spoolDir)).map((name) => name.split(".", 1)[0] ?? ""))
  const rows: ExchangeRow[] = []
  for (const id of [...ids].sort()) {
    const row = await recoverOne(recovery, id)
    if (row) rows.push(row)
  }
  return rows
}

/** The row of an exchange; the one place where the documents become columns. */
export function rowOf(
  head: SpoolHead,
  bodies: { readonly request: BodyDigest; readonly response: BodyDigest },
  end: ExchangeEnd,
): ExchangeRow {
  const { opening, routing, answer } = head
  const { caller, head: call } = opening
  return {
    id: opening.id,
    run_id: caller.runId,
    machine: caller.machine,
    team: caller.team,
    project: caller.project,
    claimed_session: call.claims.session,
    claimed_exchange: call.claims.exchange,
    claimed_process: call.claims.process,
    method: call.method,
    scheme: call.scheme,
    authority: call.authority,
    target: call.target,
    request_headers: JSON.stringify(call.headers),
    response_headers: answer && JSON.stringify(answer.headers),
    status: answer?.status ?? null,
    request_sha256: bodies.request.sha256,
    request_bytes: bodies.request.sizeBytes,
    response_sha256: bodies.response.sha256,
    response_bytes: bodies.response.sizeBytes,
    rule: routing?.rule ?? null,
    reason: routing?.reason ?? null,
    provider: routing?.provider ?? null,
    api: routing?.api ?? null,
    outcome: end.outcome,
    upstream_error: end.upstreamError,
    started_at_ms: opening.startedAtMs,
    first_byte_at_ms: answer?.firstByteAtMs ?? null,
    ended_at_ms: end.endedAtMs,
  }
}

async function recoverOne(recovery: Recovery, id: string): Promise<ExchangeRow | null> {
  const paths = spoolPaths(recovery.spoolDir, id)
  const head = await readHead(recovery, id)
  if (!head) {
    // begun but never told to anyone: no head, so no byte of an answer has left
    for (const file of Object.values(paths)) await rm(file, { force: true })
    return null
  }
  const known = await recovery.database.selectFrom("exchanges").select("id").where("id", "=", id).execute()
  if (known.length > 0) {
    await removeSpool(paths)
    return null
  }
  const request = await digestFile(paths.request)
  const response = await digestFile(paths.response)
  await storeBlob(recovery.blobsDir, request.sha256, paths.request)
  await storeBlob(recovery.blobsDir, response.sha256, paths.response)
  const end = {
    outcome: "interrupted",
    upstreamError: "the host service ended before the exchange did",
    endedAtMs: recovery.nowMs,
  } as const
  const row = rowOf(head, { request, response }, end)
  await recovery.database.insertInto("exchanges").values(row).execute()
  await removeSpool(paths)
  recovery.log(
    `archive: recovered the interrupted exchange ${id} with ${response.sizeBytes} bytes of its answer`,
  )
  return row
}

async function readHead(recovery: Recovery, id: string): Promise<SpoolHead | null> {
  const file = spoolPaths(recovery.spoolDir, id).head
  if (!existsSync(file)) return null
  try {
    return parseSpoolHead(await readFile(file, "utf8"))
  } catch (thrown) {
    recovery.log(`archive: the spool's ${join("spool", `${id}.json`)} is unreadable (${reasonOf(thrown)})`)
    return null
  }
}

async function digestFile(file: string): Promise<BodyDigest> {
  if (!existsSync(file)) return { sha256: EMPTY_SHA256, sizeBytes: 0 }
  const hash = createHash("sha256")
  let sizeBytes = 0
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk)
    sizeBytes += chunk.length
  }
  return { sha256: hash.digest("hex"), sizeBytes }
}
