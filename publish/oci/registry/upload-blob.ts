/** Uploads a blob in chunks, and goes on where an upload was interrupted, as the distribution spec 1.1 has it. */

import { type FileHandle, open } from "node:fs/promises"
import { Fault } from "../../../contract/fault.ts"
import type { Blob } from "../pack-image.ts"
import { MAX_ATTEMPTS, type RegistryCall, type RegistryClient } from "./registry-client.ts"
import type { HttpAnswer } from "./transport.ts"
import type { UploadNotes } from "./upload-notes.ts"

export interface UploadRequest {
  readonly client: RegistryClient
  readonly repository: string
  readonly blob: Blob
  /** Another repository of the same registry that may hold the blob; null: none is known. */
  readonly mountFrom: string | null
  readonly notes: UploadNotes
  /** Told of the bytes that need not be sent, and of those sent. */
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

export interface UploadReport {
  /** `present`: it was there; `mounted`: it was in the other repository. */
  readonly how: "present" | "mounted" | "sent"
  readonly sentBytes: number
  /** Where an earlier, interrupted upload had ended. */
  readonly resumedAt: number
}

/** A blob that is not larger goes in one request. A registry may ask for larger chunks, never for smaller ones. */
const CHUNK_BYTES = 8 << 20
/** Of larger ones none is asked for in earnest, and each is held in memory. */
const MAX_CHUNK_BYTES = 128 << 20
/** How long a chunk under way may go on after Ctrl-C: many registries forget an upload that is cut inside a chunk. */
const GRACE_MS = 5000

/** Ends when the registry has confirmed the digest. Faults: those of registry-client.ts, `registry/upload-failed`. */
export async function uploadBlob(request: UploadRequest): Promise<UploadReport> {
  const { client, repository, blob, onBytes, signal } = request
  const { digest, size } = blob.descriptor
  const scope = pushScope(request)
  await using file = await open(blob.path)
  let sentBytes = 0
  for (let attempt = 1; ; attempt += 1) {
    // each time: the answer to an upload's last request may have been lost
    const head = await client.call({
      ...{ method: "HEAD", target: `/v2/${repository}/blobs/${digest}`, scope, signal },
      expect: [200, 404],
    })
    head.body.destroy()
    if (head.status === 200) {
      onBytes(size)
      return { how: attempt === 1 ? "present" : "sent", sentBytes, resumedAt: 0 }
    }
    const session = await openSession(request, scope)
    if (session === "mounted") {
      onBytes(size)
      return { how: "mounted", sentBytes, resumedAt: 0 }
    }
    const resumedAt = session.offset
    onBytes(resumedAt)
    const end = await sendAll({ ...request, scope, file, session })
    sentBytes += end.sentBytes
    if (end.kind === "complete") return { how: "sent", sentBytes, resumedAt }
    // the registry knows nothing of this upload any more: another one from its beginning
    onBytes(-end.offset)
    await request.notes.forget(digest)
    if (attempt === MAX_ATTEMPTS) {
      throw new Fault(
        "registry/upload-failed",
        `${client.origin.host} gave up the upload of ${digest} ${attempt} times`,
        {
          hint: "look into the registry's log; run the same command again to go on",
        },
      )
    }
    await client.wait(attempt, signal)
  }
}

interface Session {
  location: string
  offset: number
  readonly chunkBytes: number
}

interface Sending extends UploadRequest {
  readonly scope: string
  readonly file: FileHandle
  readonly session: Session
}

function pushScope({ repository, mountFrom }: UploadRequest): string {
  const own = `repository:${repository}:pull,push`
  return mountFrom === null ? own : `${own} repository:${mountFrom}:pull`
}

/** The one that was interrupted if the registry still has it, else a new one. */
async function openSession(request: UploadRequest, scope: string): Promise<Session | "mounted"> {
  const { client, repository, blob, mountFrom, notes, signal } = request
  const { digest } = blob.descriptor
  const noted = await notes.read(digest)
  if (noted !== null) {
    const found = await askOffset(client, noted, scope, signal)
    if (found !== null && found.offset <= blob.descriptor.size) return { ...found, chunkBytes: CHUNK_BYTES }
    await notes.forget(digest)
  }
  const query = mountFrom === null ? "" : `?${new URLSearchParams({ mount: digest, from: mountFrom })}`
  const answer = await client.call({
    ...{ method: "POST", target: `/v2/${repository}/blobs/uploads/${query}`, scope, signal },
    headers: { "content-length": "0" },
    expect: [201, 202],
  })
  answer.body.destroy()
  if (answer.status === 201) return "mounted"
  const location = readLocation(client, answer)
  const least = Number(answer.headers["oci-chunk-min-length"] ?? 0)
  const wanted = Number.isSafeInteger(least) ? least : 0
  return { location, offset: 0, chunkBytes: Math.min(Math.max(CHUNK_BYTES, wanted), MAX_CHUNK_BYTES) }
}

type End = { readonly kind: "complete" | "lost"; readonly sentBytes: number; readonly offset: number }

/** Chunk after chunk; the last one closes the upload. */
async function sendAll(sending: Sending): Promise<End> {
  const { client, blob, session, scope, notes, onBytes, signal } = sending
  const { digest, size } = blob.descriptor
  let sentBytes = 0
  for (let failures = 0; ; ) {
    signal.throwIfAborted()
    const chunk = await readChunk(sending)
    const last = session.offset + chunk.length === size
    const before = session.offset
    try {
      sentBytes += chunk.length
      const done = last ? await sendLast(sending, chunk) : await sendChunk(sending, chunk)
      if (done === "lost") return { kind: "lost", sentBytes, offset: before }
      onBytes(chunk.length)
      failures = 0
      if (last) {
        await notes.forget(digest)
        return { kind: "complete", sentBytes, offset: size }
      }
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !mayPass(thrown) || failures === MAX_ATTEMPTS) throw thrown
      failures += 1
      await client.wait(failures, signal)
      const found = await askOffset(client, session.location, scope, signal)
      if (found === null || found.offset > size) return { kind: "lost", sentBytes, offset: before }
      session.location = found.location
      session.offset = found.offset
      onBytes(found.offset - before)
    }
    await notes.write(digest, session.location)
  }
}

async function sendChunk(
  { client, session, scope, signal }: Sending,
  chunk: Buffer,
): Promise<"taken" | "lost"> {
  const end = session.offset + chunk.length - 1
  using grace = openGrace(signal)
  const answer = await client.call({
    ...sendingBytes({ method: "PATCH", target: session.location, scope }, chunk, grace.signal),
    headers: { ...bytesHeaders(chunk), "content-range": `${session.offset}-${end}` },
    expect: [202, 404, 416],
  })
  answer.body.destroy()
  if (answer.status !== 202) return "lost"
  session.location = readLocation(client, answer)
  session.offset = readOffset(answer) ?? end + 1
  return "taken"
}

/** A PUT with the digest, which the registry compares with what it got. */
async function sendLast(
  { client, session, scope, blob, signal }: Sending,
  chunk: Buffer,
): Promise<"taken" | "lost"> {
  const target = new URL(session.location, client.origin)
  target.searchParams.set("digest", blob.descriptor.digest)
  const range = `${session.offset}-${session.offset + chunk.length - 1}`
  using grace = openGrace(signal)
  const answer = await client.call({
    ...sendingBytes({ method: "PUT", target: target.href, scope }, chunk, grace.signal),
    headers: {
      ...bytesHeaders(chunk),
      ...(session.offset === 0 || chunk.length === 0 ? {} : { "content-range": range }),
    },
    expect: [201, 204, 404, 416],
  })
  answer.body.destroy()
  return answer.status < 300 ? "taken" : "lost"
}

function sendingBytes(
  call: Pick<RegistryCall, "method" | "target" | "scope">,
  body: Buffer,
  signal: AbortSignal,
): Omit<RegistryCall, "expect"> {
  // what to do after a failure depends on how much the registry got
  return { ...call, body, signal, again: false }
}

function bytesHeaders(chunk: Buffer): Record<string, string> {
  return { "content-type": "application/octet-stream", "content-length": String(chunk.length) }
}

async function readChunk({ file, session, blob }: Sending): Promise<Buffer> {
  const length = Math.min(session.chunkBytes, blob.descriptor.size - session.offset)
  const chunk = Buffer.allocUnsafe(length)
  const { bytesRead } = await file.read(chunk, 0, length, session.offset)
  if (bytesRead === length) return chunk
  throw new Fault("artifact/changed-file", `${blob.path} became shorter while it was sent`)
}

/** Where the upload stands; null: the registry does not know it any more. */
async function askOffset(
  client: RegistryClient,
  location: string,
  scope: string,
  signal: AbortSignal,
): Promise<{ location: string; offset: number } | null> {
  const answer = await client.call({
    method: "GET",
    target: location,
    scope,
    expect: [204, 404, 400],
    signal,
  })
  answer.body.destroy()
  const offset = answer.status === 204 ? readOffset(answer) : null
  if (offset === null) return null
  return {
    location: answer.headers["location"] === undefined ? location : readLocation(client, answer),
    offset,
  }
}

/** `Range: 0-N`, both ends included. Of an upload with nothing in it distribution says `0-0`, as of one byte. */
function readOffset(answer: HttpAnswer): number | null {
  const end = /^(?:bytes=)?0-(\d{1,15})$/.exec(answer.headers["range"] ?? "")?.[1]
  if (end === undefined) return null
  return end === "0" ? 0 : Number(end) + 1
}

function readLocation(client: RegistryClient, answer: HttpAnswer): string {
  const location = answer.headers["location"] ?? ""
  const url = URL.canParse(location, client.origin.href) ? new URL(location, client.origin) : null
  if (url !== null && location !== "" && (url.protocol === "https:" || client.origin.protocol === "http:"))
    return url.href
  throw new Fault("registry/bad-answer", `${client.origin.host} opened an upload without saying where`, {
    hint: "expected a Location, over https where the registry is",
  })
}

function mayPass({ code }: Fault): boolean {
  return code === "registry/unreachable" || code === "registry/busy"
}

/** Aborts a while after `signal` does. */
function openGrace(signal: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const own = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    timer = setTimeout(() => own.abort(signal.reason), GRACE_MS)
  }
  signal.addEventListener("abort", begin, { once: true })
  return {
    signal: own.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", begin)
    },
  }
}
