/** The append-only record: one writer, which makes each exchange durable before its answer may end. */

import { mkdir, statfs } from "node:fs/promises"
import { join } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { AnswerHead, ExchangeEnd, ExchangeOpening, ExchangeRouting, Log } from "../exchange.ts"
import { storeBlob } from "./blobs.ts"
import { BodySpool } from "./body-spool.ts"
import { type ArchiveDatabase, openForWriting } from "./database.ts"
import { openGroupCommit } from "./group-commit.ts"
import { HeadSpool, type SpoolHead } from "./head-spool.ts"
import { maskHeaders, maskTarget } from "./mask.ts"
import { type Recovery, recoverSpool, rowOf } from "./recover.ts"
import type { ExchangeRow } from "./schema.ts"
import { removeSpool, type SpoolPaths, spoolPaths } from "./spool.ts"

export interface OpenExchange {
  readonly id: string
  readonly request: BodySpool
  readonly response: BodySpool
  /** What is left out stays as it was. */
  route(routing: Pick<ExchangeRouting, "rule"> & Partial<ExchangeRouting>): void
  answer(head: AnswerHead): void
  /** Makes blobs and row durable; only then may the guest see the end of its answer. The first call decides. */
  seal(end: ExchangeEnd): Promise<ExchangeRow>
}

export interface Archive extends AsyncDisposable {
  readonly database: ArchiveDatabase
  readonly blobsDir: string
  /** Exchanges that a crash had cut and that this start has recovered. */
  readonly recovered: readonly ExchangeRow[]
  /** Fault `archive/unavailable` when nothing can be recorded: then nothing may be called. */
  begin(opening: ExchangeOpening): Promise<OpenExchange>
}

/** Below this nothing is begun: a guest that fills the archive must not fill the host's disk with it. */
const MIN_FREE_BYTES = 512 * 1024 * 1024

export async function openArchive(
  dir: string,
  nowMs: number,
  log: Log,
  minFreeBytes = MIN_FREE_BYTES,
): Promise<Archive> {
  const blobsDir = join(dir, "blobs")
  const spoolDir = join(dir, "spool")
  for (const folder of [dir, blobsDir, spoolDir]) await mkdir(folder, { recursive: true, mode: 0o700 })
  const database = openForWriting(join(dir, "archive.db"))
  const recovery = { database, blobsDir, spoolDir, nowMs, log }
  const recovered = await recoverSpool(recovery)
  const append = openGroupCommit<ExchangeRow>((rows) =>
    database.insertInto("exchanges").values(rows).execute(),
  )
  const store: Store = { database, blobsDir, spoolDir, append, unsealed: new Set(), resealing: null }
  return {
    database,
    blobsDir,
    recovered,
    async begin(opening) {
      try {
        await requireRoom(dir, minFreeBytes)
        await resealFailed(store, { ...recovery, nowMs: opening.startedAtMs })
        return await beginExchange(store, opening)
      } catch (thrown) {
        throw new Fault("archive/unavailable", `nothing can be recorded: ${reasonOf(thrown)}`, {
          cause: thrown,
        })
      }
    },
    [Symbol.asyncDispose]: () => database.destroy(),
  }
}

async function requireRoom(dir: string, minFreeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  if (bavail * bsize >= minFreeBytes) return
  throw new Error(`the disk of ${dir} has less than ${Math.ceil(minFreeBytes / 1024 / 1024)} MiB free`)
}

interface Store {
  readonly database: ArchiveDatabase
  readonly blobsDir: string
  readonly spoolDir: string
  readonly append: (row: ExchangeRow) => Promise<void>
  /** Exchanges whose sealing failed; nothing new begins before they are durable. */
  readonly unsealed: Set<string>
  /** Under way for whoever wants to begin. */
  resealing: Promise<void> | null
}

async function resealFailed(store: Store, recovery: Recovery): Promise<void> {
  if (store.unsealed.size === 0) return
  store.resealing ??= reseal(store, recovery).finally(() => {
    store.resealing = null
  })
  await store.resealing
}

async function reseal(store: Store, recovery: Recovery): Promise<void> {
  for (const id of store.unsealed) {
    await recoverSpool(recovery, [id])
    store.unsealed.delete(id)
  }
}

async function beginExchange(store: Store, opening: ExchangeOpening): Promise<OpenExchange> {
  const paths = spoolPaths(store.spoolDir, opening.id)
  let head: SpoolHead = { opening: maskOpening(opening), routing: null, answer: null }
  await store.database.selectFrom("exchanges").select("id").limit(1).execute()
  const headSpool = new HeadSpool(paths.head)
  headSpool.write(head)
  const request = new BodySpool(paths.request)
  const response = new BodySpool(paths.response)
  let sealed: Promise<ExchangeRow> | null = null
  const update = (change: Partial<SpoolHead>) => {
    head = { ...head, ...change }
    headSpool.write(head)
  }
  return {
    id: opening.id,
    request,
    response,
    route: (routing) => update({ routing: { ...(head.routing ?? UNROUTED), ...routing } }),
    answer: (answer) => update({ answer: { ...answer, headers: maskHeaders(answer.headers) } }),
    seal(end) {
      sealed ??= sealExchange(store, { head, headSpool, paths, request, response }, end)
      return sealed
    },
  }
}

const UNROUTED = { reason: null, provider: null, api: null }

interface Unsealed {
  readonly head: SpoolHead
  readonly headSpool: HeadSpool
  readonly paths: SpoolPaths
  readonly request: BodySpool
  readonly response: BodySpool
}

async function sealExchange(store: Store, open: Unsealed, end: ExchangeEnd): Promise<ExchangeRow> {
  try {
    return await makeDurable(store, open, end)
  } catch (thrown) {
    store.unsealed.add(open.head.opening.id)
    throw new Fault("archive/unavailable", `the exchange cannot be recorded: ${reasonOf(thrown)}`, {
      cause: thrown,
    })
  }
}

async function makeDurable(store: Store, open: Unsealed, end: ExchangeEnd): Promise<ExchangeRow> {
  open.headSpool.close()
  const request = open.request.finish()
  const response = open.response.finish()
  await Promise.all([
    storeBlob(store.blobsDir, request.sha256, open.paths.request),
    storeBlob(store.blobsDir, response.sha256, open.paths.response),
  ])
  const row = rowOf(open.head, { request, response }, end)
  await store.append(row)
  await removeSpool(open.paths)
  return row
}

function maskOpening(opening: ExchangeOpening): ExchangeOpening {
  const { head } = opening
  return {
    ...opening,
    head: { ...head, target: maskTarget(head.target), headers: maskHeaders(head.headers) },
  }
}
