/** A request's body on its way up: counted against its limits and archived before it is passed on. */

import type { OpenExchange } from "./archive/open-archive.ts"
import type { Refusal } from "./exchange.ts"
import type { GuestStream } from "./guest/guest-stream.ts"

/** The largest request body that leaves a machine, unless its rule allows less. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024

export interface UploadLimits {
  /** Of the rule; null: the gateway's own. */
  readonly maxBytes: number | null
  readonly uploadMs: number
  readonly now: () => number
  /** Counts bytes that are about to leave, or says why they may not. */
  readonly charge: (bytes: number) => Refusal | null
}

/** Ends an upload: what the upstream has of it is broken off. */
export class UploadRefused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.reason)
    this.refusal = refusal
  }
}

/** A body whose head says that it will be too large: nothing of it has to be sent to be refused. */
export function refuseStatedLength(guest: GuestStream, maxBytes: number | null): Refusal | null {
  const stated = guest.read.head.headers.find(([name]) => name === "content-length")?.[1]
  const limit = limitOf(maxBytes)
  return stated !== undefined && Number(stated) > limit ? tooLarge(limit) : null
}

export async function* recordUpload(
  guest: GuestStream,
  exchange: OpenExchange,
  limits: UploadLimits,
): AsyncGenerator<Buffer> {
  const maxBytes = limitOf(limits.maxBytes)
  const endsMs = limits.now() + limits.uploadMs
  for await (const chunk of guest.body()) {
    // the stream itself is cut when nothing comes for a while, so that looking at each chunk is enough
    if (limits.now() > endsMs) throw new UploadRefused(tooSlow(limits.uploadMs))
    if (exchange.request.sizeBytes + chunk.length > maxBytes) throw new UploadRefused(tooLarge(maxBytes))
    const over = limits.charge(chunk.length)
    if (over) throw new UploadRefused(over)
    exchange.request.append(chunk)
    yield chunk
  }
}

function limitOf(maxBytes: number | null): number {
  return Math.min(maxBytes ?? MAX_REQUEST_BYTES, MAX_REQUEST_BYTES)
}

function tooLarge(maxBytes: number): Refusal {
  const size = maxBytes < 1024 * 1024 ? `${maxBytes / 1024} KiB` : `${maxBytes / 1024 / 1024} MiB`
  const reason = `the request's body is larger than ${size}`
  return { status: 413, rule: "egress/body-too-large", reason, hint: "send less at once" }
}

function tooSlow(uploadMs: number): Refusal {
  const reason = `the request's body was not whole after ${Math.round(uploadMs / 1000)} s`
  return { status: 408, rule: "egress/upload-too-slow", reason, hint: "send less at once" }
}
