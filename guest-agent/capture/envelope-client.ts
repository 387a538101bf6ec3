/** Hands envelopes to the guest agent: in order, in batches, again until it has them, a bounded number. */

import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { reasonOf } from "../../contract/fault.ts"
import type { Envelope } from "../../contract/uplink.ts"

const MAX_WAITING = 5_000
const BATCH = 100
const RETRY_MS = 500
const ANSWER_MS = 5_000

/** Returns what takes an envelope; it never waits and never fails, because a lost envelope must not stop a call. */
export function startEnvelopeClient(path: string, log: (line: string) => void): (envelope: Envelope) => void {
  const waiting: Envelope[] = []
  let running = false
  let session: ClientHttp2Session | null = null
  const current = (): ClientHttp2Session => {
    if (session && !session.closed && !session.destroyed) return session
    session = connectHttp2("http://agent", { createConnection: () => connect(path) })
    session.on("error", (error) => log(`the agent cannot be reached: ${reasonOf(error)}`))
    session.unref()
    return session
  }
  const run = async (): Promise<void> => {
    running = true
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH)
      try {
        await post(current(), JSON.stringify(batch))
        waiting.splice(0, batch.length)
      } catch (thrown) {
        log(`envelopes wait: ${reasonOf(thrown)}`)
        await sleep(RETRY_MS)
      }
    }
    running = false
  }
  return (envelope) => {
    if (waiting.length >= MAX_WAITING) log(`too many envelopes wait: ${envelope.id} is given up`)
    else waiting.push(envelope)
    if (!running) void run()
  }
}

function post(session: ClientHttp2Session, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = session.request({ ":method": "POST", ":path": "/envelopes" })
    request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
    request.once("response", (headers) => {
      request.resume()
      if (headers[":status"] === 204) resolve()
      else reject(new Error(`the agent answered ${headers[":status"]}`))
    })
    request.once("error", reject)
    request.once("close", () => reject(new Error("the agent closed the stream")))
    request.end(body)
  })
}
