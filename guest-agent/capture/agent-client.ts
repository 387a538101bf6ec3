/** What the proxy asks of the guest agent, which is root: to keep its envelopes, and to name a socket's process. */

import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { reasonOf } from "../../contract/fault.ts"
import type { Envelope } from "../../contract/uplink.ts"

export interface AgentClient {
  /** Takes an envelope. It never waits and never fails: a lost envelope must not stop a call. */
  readonly report: (envelope: Envelope) => void
  /** The process that has a socket open; null if that cannot be known soon. */
  readonly findCaller: (inode: string, uid: number) => Promise<Envelope["process"]>
}

/** An image for a cloud has no agent, since no host has its hand in it: callers stay unknown. */
export const NO_AGENT: AgentClient = { report: () => undefined, findCaller: () => Promise.resolve(null) }

const MAX_WAITING = 5_000
const BATCH = 100
/** Exchanges that end together travel together: each message costs both programs some CPU. */
const GATHER_MS = 50
const RETRY_MS = 500
const ENVELOPES_MS = 5_000
/** A request waits for it. */
const CALLER_MS = 400
/** Callers looked for at a time: each search may take the agent 60 ms, and it has other work to do. */
const MAX_ASKING = 4

export function startAgentClient(path: string, log: (line: string) => void): AgentClient {
  const waiting: Envelope[] = []
  let running = false
  let asking = 0
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
    await sleep(GATHER_MS)
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH)
      try {
        await ask(current(), { path: "/envelopes", body: JSON.stringify(batch), deadlineMs: ENVELOPES_MS })
        waiting.splice(0, batch.length)
      } catch (thrown) {
        log(`envelopes wait: ${reasonOf(thrown)}`)
        await sleep(RETRY_MS)
      }
    }
    running = false
  }
  return {
    report: (envelope) => {
      if (waiting.length >= MAX_WAITING) log(`too many envelopes wait: ${envelope.id} is given up`)
      else waiting.push(envelope)
      if (!running) void run()
    },
    findCaller: async (inode, uid) => {
      if (asking >= MAX_ASKING) return null
      asking += 1
      try {
        const question = { path: `/caller?inode=${inode}&uid=${uid}`, body: null, deadlineMs: CALLER_MS }
        const found: Envelope["process"] = JSON.parse(await ask(current(), question))
        return found
      } catch (thrown) {
        log(`a caller stays unknown: ${reasonOf(thrown)}`)
        return null
      } finally {
        asking -= 1
      }
    },
  }
}

interface Question {
  readonly path: string
  /** Null: GET, otherwise POST. */
  readonly body: string | null
  readonly deadlineMs: number
}

/** The body of a 2xx answer; anything else rejects. */
function ask(session: ClientHttp2Session, { path, body, deadlineMs }: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = session.request({ ":method": body === null ? "GET" : "POST", ":path": path })
    const timer = setTimeout(
      () => request.destroy(new Error(`the agent did not answer within ${deadlineMs} ms`)),
      deadlineMs,
    )
    const chunks: Buffer[] = []
    let status = 0
    request.once("response", (headers) => {
      status = headers[":status"] ?? 0
    })
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.once("error", reject)
    request.once("end", () => {
      if (status >= 200 && status < 300) resolve(Buffer.concat(chunks).toString())
      else reject(new Error(`the agent answered ${status}`))
    })
    request.once("close", () => {
      clearTimeout(timer)
      reject(new Error("the agent closed the stream"))
    })
    request.end(body ?? undefined)
  })
}
