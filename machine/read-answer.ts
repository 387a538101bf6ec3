/** The body of an answer of the host service, which may be a guest's own: bounded in size, and in time by its caller. */

import type { ClientHttp2Stream } from "node:http2"
import { Fault } from "../contract/fault.ts"

const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** Fault: `host/bad-answer` when it is too long; rejects with the reason of `signal` when that aborts. */
export async function readAnswer(stream: ClientHttp2Stream, signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  const abort = () => stream.destroy(signal.reason)
  signal.addEventListener("abort", abort, { once: true })
  if (signal.aborted) abort()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > MAX_ANSWER_BYTES) throw tooLong()
      parts.push(chunk)
    }
  } finally {
    signal.removeEventListener("abort", abort)
  }
  return Buffer.concat(parts).toString("utf8")
}

function tooLong(): Fault {
  return new Fault("host/bad-answer", `an answer is longer than ${MAX_ANSWER_BYTES} bytes`, {
    hint: "if a machine was asked, it does not say what its agent would: stop it and look at its record",
  })
}
