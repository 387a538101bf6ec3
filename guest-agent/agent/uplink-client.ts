/** The uplink wire's guest side: sends what is spooled, batch by batch, and forgets what is acknowledged. */

import { type ClientHttp2Session, connect } from "node:http2"
import type { Duplex } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { reasonOf } from "../../contract/fault.ts"
import type { EnvelopeSpool } from "./envelope-spool.ts"

/** After a refusal or silence the batch is sent again. */
const RETRY_MS = 2_000
const ANSWER_MS = 10_000
/** What is spooled is safe; a little later there is more to send at once. */
const GATHER_MS = 100

/** Lives as long as the stream. */
export function serveUplink(
  stream: Duplex,
  spool: EnvelopeSpool,
  log: (line: string) => void,
): ClientHttp2Session {
  const session = connect("http://stereo.uplink", { createConnection: () => stream })
  session.on("error", (error) => log(`uplink session ended: ${reasonOf(error)}`))
  stream.once("close", () => session.destroy())
  let sending = false
  const flush = async (): Promise<void> => {
    if (sending) return
    sending = true
    try {
      await sleep(GATHER_MS)
      await sendAll(session, spool)
    } catch (thrown) {
      log(`envelopes wait: ${reasonOf(thrown)}`)
      if (!session.destroyed) setTimeout(flush, RETRY_MS).unref()
    } finally {
      sending = false
    }
  }
  spool.onAppend = flush
  void flush()
  return session
}

async function sendAll(session: ClientHttp2Session, spool: EnvelopeSpool): Promise<void> {
  for (;;) {
    const batch = await spool.oldest()
    if (!batch || session.destroyed) return
    const status = await post(session, batch.body)
    if (status !== 204) throw new Error(`the host answered ${status}`)
    await batch.forget()
  }
}

function post(session: ClientHttp2Session, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = session.request({
      ":method": "POST",
      ":path": "/envelopes",
      "content-type": "application/json",
    })
    request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
    request.once("response", (headers) => {
      request.resume()
      resolve(headers[":status"] ?? 0)
    })
    request.once("error", reject)
    request.once("close", () => reject(new Error("the stream was closed without an answer")))
    request.end(body)
  })
}
