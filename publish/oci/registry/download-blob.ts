/** Downloads a blob into a file, going on where an earlier download ended, and checks its digest. */

import { createHash, type Hash } from "node:crypto"
import { createReadStream } from "node:fs"
import { type FileHandle, open, rm } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import { Fault } from "../../../contract/fault.ts"
import type { Descriptor } from "../artifact.ts"
import { MAX_ATTEMPTS, type RegistryClient } from "./registry-client.ts"
import type { HttpAnswer } from "./transport.ts"

export interface DownloadRequest {
  readonly client: RegistryClient
  readonly repository: string
  readonly blob: Descriptor
  /** Gets the blob; what lies there is taken for its beginning. */
  readonly path: string
  /** Told of the bytes that were there, and of those that came; less than 0: they were of no use. */
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
}

export interface DownloadReport {
  readonly receivedBytes: number
  /** Where an earlier, interrupted download had ended. */
  readonly resumedAt: number
}

/**
 * Ends when the file holds the blob. Faults: `registry/wrong-bytes` (then the file is gone), `registry/cut-off`, and
 * those of registry-client.ts, after which what came stays for another run.
 */
export async function downloadBlob(request: DownloadRequest): Promise<DownloadReport> {
  const { blob, path, client, onBytes, signal } = request
  await using part = await openPart(path, blob, onBytes)
  const resumedAt = part.length
  let receivedBytes = 0
  let furthest = part.length
  for (let failures = 0; part.length < blob.size || (receivedBytes === 0 && blob.size === 0); ) {
    const before = part.length
    const cut = await receive(request, part)
    receivedBytes += Math.max(0, part.length - before)
    if (part.length === blob.size) break
    // as long as bytes come that had not come before, it may go on as often as it likes
    failures = part.length > furthest ? 0 : failures + 1
    furthest = Math.max(furthest, part.length)
    if (failures === MAX_ATTEMPTS) {
      throw new Fault(
        "registry/cut-off",
        `${client.origin.host} ended ${blob.digest} at byte ${part.length} of ${blob.size}, ${MAX_ATTEMPTS} times`,
        {
          hint: "run the same command again to go on from there",
          cause: cut,
        },
      )
    }
    await client.wait(failures + 1, signal)
  }
  await part.file.sync()
  const found = `sha256:${part.hash.digest("hex")}`
  if (found === blob.digest) return { receivedBytes, resumedAt }
  await rm(path, { force: true })
  onBytes(-blob.size)
  // the beginning may be of an earlier run, on another disk: once more, from its first byte
  if (resumedAt > 0) return await downloadBlob(request)
  throw wrongBytes(request, `its digest is ${found}`)
}

interface Part extends AsyncDisposable {
  readonly file: FileHandle
  hash: Hash
  length: number
}

/** What an earlier run has left is read again: the digest is of the whole. */
async function openPart(path: string, { size }: Descriptor, onBytes: (bytes: number) => void): Promise<Part> {
  const file = await open(path, "a+", 0o600)
  const part: Part = {
    file,
    hash: createHash("sha256"),
    length: (await file.stat()).size,
    [Symbol.asyncDispose]: () => file.close(),
  }
  if (part.length > size) await restart(part)
  else if (part.length > 0) {
    await pipeline(
      createReadStream(path, { end: part.length - 1 }),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) part.hash.update(chunk)
      },
    )
    onBytes(part.length)
  }
  return part
}

async function restart(part: Part): Promise<void> {
  await part.file.truncate(0)
  part.length = 0
  part.hash = createHash("sha256")
}

/** One request for all that is missing; gives what ended it early, null when nothing did. */
async function receive(request: DownloadRequest, part: Part): Promise<unknown> {
  const { client, repository, blob, onBytes, signal } = request
  const from = part.length
  const answer = await client.call({
    method: "GET",
    target: `/v2/${repository}/blobs/${blob.digest}`,
    scope: `repository:${repository}:pull`,
    // a coding would make other bytes of it, and ranges of those
    headers: { "accept-encoding": "identity", ...(from === 0 ? {} : { range: `bytes=${from}-` }) },
    expect: from === 0 ? [200] : [200, 206, 416],
    signal,
  })
  const begin = beginOf(answer, blob.size)
  if (begin !== from) {
    // it has no ranges, or another idea of the blob
    onBytes(-from)
    await restart(part)
  }
  if (begin !== part.length) {
    answer.body.destroy()
    return null
  }
  return append(request, part, answer)
}

/** Gives what ended the answer early, null when nothing did. */
async function append(request: DownloadRequest, part: Part, answer: HttpAnswer): Promise<unknown> {
  const { blob, path, onBytes, signal } = request
  let writing = false
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      if (part.length + chunk.length > blob.size) {
        await rm(path, { force: true })
        throw wrongBytes(request, `more than its ${blob.size} bytes come`)
      }
      writing = true
      await part.file.appendFile(chunk)
      writing = false
      part.hash.update(chunk)
      part.length += chunk.length
      onBytes(chunk.length)
    }
    return null
  } catch (thrown) {
    signal.throwIfAborted()
    // a full disk is no fault of the connection
    if (writing || thrown instanceof Fault) throw thrown
    return thrown
  }
}

/** Where the answer's first byte belongs; null: that cannot be told, or it is of another blob. */
function beginOf({ status, headers }: HttpAnswer, size: number): number | null {
  if (status === 200) return 0
  const [, begin, total] =
    /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(headers["content-range"] ?? "") ?? []
  if (status !== 206 || begin === undefined || (total !== "*" && Number(total) !== size)) return null
  return Number(begin)
}

function wrongBytes({ client, repository, blob }: DownloadRequest, reason: string): Fault {
  return new Fault(
    "registry/wrong-bytes",
    `${client.origin.host}/${repository}: what comes for ${blob.digest} is something else: ${reason}`,
    {
      hint: "the registry, or something on the way to it, changed it; nothing of it was kept",
    },
  )
}
