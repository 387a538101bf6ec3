/** One small request to a guest, whose answer is bounded in size and time. */

import type { ClientHttp2Session } from "node:http2"

export interface GuestQuestion {
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const MAX_ANSWER_BYTES = 64 * 1024

/** The body of a 2xx answer as text; anything else rejects. */
export function askGuest(session: ClientHttp2Session, question: GuestQuestion): Promise<string> {
  const { method, path } = question
  const signal = AbortSignal.any([question.signal, AbortSignal.timeout(question.timeoutMs)])
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": method, ":path": path }, { signal })
    const parts: Buffer[] = []
    let status = 0
    let sizeBytes = 0
    stream.on("response", (headers) => {
      status = Number(headers[":status"])
    })
    stream.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length
      if (sizeBytes <= MAX_ANSWER_BYTES) parts.push(chunk)
      else
        stream.destroy(
          new Error(`${method} ${path}: the guest's answer is longer than ${MAX_ANSWER_BYTES} bytes`),
        )
    })
    stream.on("error", reject)
    stream.on("end", () => {
      if (status >= 200 && status < 300) resolve(Buffer.concat(parts).toString("utf8"))
      else reject(new Error(`${method} ${path}: the guest answered ${status || "nothing"}`))
    })
    stream.on("close", () => reject(new Error(`${method} ${path}: the guest closed the stream`)))
    stream.end(question.body)
  })
}
