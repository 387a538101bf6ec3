/** Recorded turns, as they lie in a folder of fixtures, for the fake provider to give back byte for byte. */

import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import type { FakeAnswer } from "./provider.ts"

export interface Replay {
  readonly name: string
  /** Headers as recorded, with redactions. */
  readonly requestHeaders: readonly (readonly [string, string])[]
  readonly requestBody: Buffer
  readonly requestSha256: string
  readonly responseSha256: string
  readonly answer: FakeAnswer
}

const pairs = z.array(z.tuple([z.string(), z.string()]))
const recordedRequest = z.object({ headers: pairs, body_b64: z.string(), body_truncated: z.boolean() })
const recordedMeta = z.object({ status: z.int(), response_headers: pairs })

/** Small enough that a recorded answer becomes several chunks. */
const CHUNK_BYTES = 512
/** Of the connection it was recorded on. */
const NOT_REPLAYED = ["transfer-encoding", "connection", "content-length"]

export function readReplays(dir: string): readonly Replay[] {
  return readdirSync(dir)
    .filter((name) => name.startsWith("turn-"))
    .sort()
    .map((name) => readReplay(join(dir, name), name))
}

function readReplay(dir: string, name: string): Replay {
  const request = recordedRequest.parse(JSON.parse(readFileSync(join(dir, "request.json"), "utf8")))
  const meta = recordedMeta.parse(JSON.parse(readFileSync(join(dir, "meta.json"), "utf8")))
  if (request.body_truncated) throw new Error(`${name}: the recorded request is not whole`)
  const response = readFileSync(join(dir, "response.sse"))
  const requestBody = Buffer.from(request.body_b64, "base64")
  const chunks: Buffer[] = []
  for (let at = 0; at < response.length; at += CHUNK_BYTES)
    chunks.push(response.subarray(at, at + CHUNK_BYTES))
  const headers = meta.response_headers.filter(([header]) => !NOT_REPLAYED.includes(header))
  return {
    name,
    requestHeaders: request.headers,
    requestBody,
    requestSha256: sha256(requestBody),
    responseSha256: sha256(response),
    answer: { status: meta.status, headers, chunks },
  }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
