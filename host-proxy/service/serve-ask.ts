/** The stream on which somebody answers a machine's questions: events down, answers up, a line of JSON each. */

import type { ServerHttp2Stream } from "node:http2"
import { createInterface } from "node:readline"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type AskEvent, DEFAULT_ASK_TIMEOUT_MS, MAX_ASK_TIMEOUT_MS } from "../../contract/host-egress-api.ts"

export interface AskControl {
  ask(options: {
    readonly timeoutMs: number
    readonly claimedUser: string | null
    readonly say: (event: AskEvent) => void
    readonly end: () => void
  }): { answer(raw: unknown): Promise<void>; close(): void }
}

const MAX_LINE = 16 * 1024

/** Ends with the stream: whoever answers is there as long as it is open. */
export async function serveAsk(
  stream: ServerHttp2Stream,
  query: URLSearchParams,
  control: AskControl,
): Promise<void> {
  const timeoutMs = readTimeout(query)
  const claimedUser = query.get("claimed_user")?.slice(0, 64) ?? null
  const say = (event: AskEvent) => {
    if (stream.closed || stream.destroyed) return
    // only now: where somebody asks already, the answer is an error
    if (!stream.headersSent) stream.respond({ ":status": 200, "content-type": "application/x-ndjson" })
    stream.write(`${JSON.stringify(event)}\n`)
  }
  const end = () => {
    if (stream.closed || stream.writableEnded) return
    // whoever answers may keep the own side open for as long as there is somebody to hear
    stream.end(() => stream.close())
  }
  const session = control.ask({ timeoutMs, claimedUser, say, end })
  stream.once("close", () => session.close())
  if (stream.closed) return session.close()
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() !== "") await session.answer(parseLine(line))
    }
  } finally {
    session.close()
    end()
  }
}

/** What is no JSON is no answer either, and is told so. */
function parseLine(line: string): unknown {
  try {
    return line.length > MAX_LINE ? "too long" : JSON.parse(line)
  } catch (thrown) {
    return `not JSON: ${reasonOf(thrown)}`
  }
}

function readTimeout(query: URLSearchParams): number {
  const text = query.get("timeout_ms")
  const timeoutMs = text === null ? DEFAULT_ASK_TIMEOUT_MS : Number(text)
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1000 && timeoutMs <= MAX_ASK_TIMEOUT_MS) return timeoutMs
  throw new Fault("host/bad-request", `timeout_ms: expected 1000 to ${MAX_ASK_TIMEOUT_MS}`)
}
