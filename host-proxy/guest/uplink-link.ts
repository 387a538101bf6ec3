/** The host's end of a machine's uplink: the guest is the client and sends envelopes, which are acknowledged. */

import { once } from "node:events"
import type { ServerHttp2Stream } from "node:http2"
import type { Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { reasonOf } from "../../contract/fault.ts"
import { type Envelope, envelopeBatch } from "../../contract/uplink.ts"
import type { Log } from "../exchange.ts"
import { awaitPreface } from "./await-preface.ts"
import { connectSocket } from "./connect-socket.ts"
import { type RawHeaders, serveSession } from "./serve-session.ts"

export interface UplinkOptions {
  readonly socketPath: string
  /** Resolves when the envelopes are durable. */
  readonly onEnvelopes: (batch: readonly Envelope[]) => Promise<void>
  /** The guest began anew in the middle of its session: its agent has restarted. */
  readonly onRestart: () => void
  readonly log: Log
}

const RETRY_MS = 250
/** Between two parts of a batch; the next one waits for it. */
const BATCH_MS = 10_000
const MAX_BATCH_BYTES = 4 * 1024 * 1024

export function openUplinkLink(options: UplinkOptions): AsyncDisposable {
  const ended = new AbortController()
  const done = runUplink(options, ended.signal)
  return {
    async [Symbol.asyncDispose]() {
      ended.abort(new Error("the machine was detached"))
      await done
    },
  }
}

async function runUplink(options: UplinkOptions, ended: AbortSignal): Promise<void> {
  let connected = false
  while (!ended.aborted) {
    try {
      connected = false
      const socket = await connectSocket(options.socketPath, ended)
      connected = true
      await serveUplink(socket, options, ended)
    } catch (thrown) {
      // before the first connection: QEMU does not listen yet
      if (connected && !ended.aborted) options.log(`uplink: ${reasonOf(thrown)}`)
    }
    await delay(RETRY_MS, null, { signal: ended }).catch(() => null) // aborted: the loop's condition ends it
  }
}

async function serveUplink(socket: Socket, options: UplinkOptions, ended: AbortSignal): Promise<void> {
  socket.on("error", () => socket.destroy()) // the session tells why
  const close = () => socket.destroy()
  ended.addEventListener("abort", close, { once: true })
  // one batch in memory at a time: what is not read yet waits in the guest
  let last: Promise<unknown> = Promise.resolve()
  try {
    if (!(await awaitPreface(socket))) return
    serveSession(socket, {
      log: (line) => options.log(`uplink ${line}`),
      onBroken: options.onRestart,
      onRequest: (stream, rawHeaders) => {
        const answered = last.then(() => answerUplink(stream, rawHeaders, options))
        last = answered.catch(() => null) // told by the session; the next in turn does not care
        return answered
      },
    })
    if (!socket.destroyed) await once(socket, "close")
  } finally {
    ended.removeEventListener("abort", close)
    socket.destroy()
    // nor does a guest that begins anew leave batches behind that wait for their turn
    await last
  }
}

async function answerUplink(
  stream: ServerHttp2Stream,
  rawHeaders: RawHeaders,
  options: UplinkOptions,
): Promise<void> {
  const asked = `${pseudo(rawHeaders, ":method")} ${pseudo(rawHeaders, ":path")}`
  if (asked !== "POST /envelopes") return refuse(stream, 404, "POST /envelopes is all that is taken here")
  stream.setTimeout(BATCH_MS, () => stream.destroy(new Error("the batch did not come to its end")))
  const text = await readBounded(stream)
  stream.setTimeout(0)
  if (text === null) return refuse(stream, 413, `a batch is at most ${MAX_BATCH_BYTES} bytes`)
  const batch = parseBatch(text)
  if ("wrong" in batch) return refuse(stream, 400, batch.wrong)
  await options.onEnvelopes(batch.envelopes)
  stream.respond({ ":status": 204 }, { endStream: true })
}

function parseBatch(text: string): { readonly envelopes: readonly Envelope[] } | { readonly wrong: string } {
  try {
    return { envelopes: envelopeBatch.parse(JSON.parse(text)) }
  } catch (thrown) {
    return { wrong: reasonOf(thrown).slice(0, 1000) }
  }
}

async function readBounded(stream: ServerHttp2Stream): Promise<string | null> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer> // no encoding is set
  for await (const chunk of chunks) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BATCH_BYTES) return null
    parts.push(chunk)
  }
  return Buffer.concat(parts).toString("utf8")
}

function refuse(stream: ServerHttp2Stream, status: number, message: string): void {
  stream.respond({ ":status": status, "content-type": "text/plain" })
  stream.end(`${message}\n`)
  stream.resume()
}

function pseudo(rawHeaders: RawHeaders, name: string): string {
  const index = rawHeaders.indexOf(name)
  return index % 2 === 0 ? (rawHeaders[index + 1] ?? "") : ""
}
