/** Opens connections to the world: the only place that does. No redirects, no proxies, no decompression. */

import { isIP } from "node:net"
import type { Readable } from "node:stream"
import { Agent, buildConnector, type Dispatcher, errors } from "undici"
import { reasonOf } from "../../contract/fault.ts"
import type { HeaderList, Refusal } from "../exchange.ts"
import { FloorError, isBelowFloor, lookupAboveFloor } from "./address-floor.ts"
import { openWebSocket, type UpstreamWebSocket } from "./open-websocket.ts"
import { isOwnAddress } from "./own-address.ts"
import type { Route } from "./route.ts"

export interface Timeouts {
  readonly connectMs: number
  /** From the end of the request to the response's head. */
  readonly firstByteMs: number
  /** Between two chunks of the response's body. */
  readonly idleMs: number
}

const MAX_INTERIM_ANSWERS = 20

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 10_000, firstByteMs: 600_000, idleMs: 300_000 }

export interface UpstreamAnswer {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Readable
}

export interface Outbound extends AsyncDisposable {
  /** Sends a request and waits for the head of its answer. `body` is null when there is none. */
  send(route: Route, body: AsyncIterable<Buffer> | null, signal: AbortSignal): Promise<UpstreamAnswer>
  /** Makes a WebSocket handshake of the host's own. */
  openWebSocket(route: Route, signal: AbortSignal): Promise<UpstreamWebSocket>
}

export function openOutbound(timeouts: Timeouts): Outbound {
  const guarded = new Agent(agentOptions(timeouts, guardedConnector(timeouts)))
  const named = new Agent(agentOptions(timeouts, buildConnector({ timeout: timeouts.connectMs })))
  return {
    async send(route, body, signal) {
      const interim = boundInterim(signal)
      const answer = await (route.named ? named : guarded).request({
        origin: route.origin,
        path: route.target,
        method: route.method as Dispatcher.HttpMethod, // undici takes any token, its type does not
        headers: sendable(route.headers, body !== null).flat(),
        body: body as Readable | null, // undici takes any async iterable, its type does not
        responseHeaders: "raw",
        onInfo: interim.count,
        signal: interim.signal,
      })
      // whoever reads the body hears of its failure; a body that is dropped unread must not end the process
      answer.body.on("error", () => undefined)
      // with `responseHeaders: "raw"` undici gives names and values in turn, which its type does not say
      const headers = pairHeaders(answer.headers as unknown)
      const coding = headers.filter(([name]) => name === "transfer-encoding").map(([, value]) => value)
      if (coding.length > 0 && coding.join().toLowerCase() !== "chunked") {
        answer.body.destroy()
        throw new Error("the upstream's Transfer-Encoding is not chunked, so its body cannot be told")
      }
      return { status: answer.statusCode, headers, body: answer.body }
    },
    openWebSocket: (route, signal) => openWebSocket(route.named ? named : guarded, route, signal),
    async [Symbol.asyncDispose]() {
      await Promise.all([guarded.destroy(), named.destroy()])
    },
  }
}

/** What stereo answers when no answer came from the upstream. */
export function explainFailure(thrown: unknown, route: Route): Refusal {
  const hint = "see the host service's log; the exchange's record holds the same reason"
  const cause = thrown instanceof Error && thrown.cause instanceof FloorError ? thrown.cause : thrown
  if (cause instanceof FloorError) {
    const why =
      "an upstream at such an address must be named by the operator in host.toml, under [[upstream]]"
    return { status: 403, rule: "egress/floor", reason: cause.message, hint: why }
  }
  const late = thrown instanceof errors.HeadersTimeoutError || thrown instanceof errors.ConnectTimeoutError
  return {
    status: late ? 504 : 502,
    rule: late ? "upstream/timeout" : "upstream/unreachable",
    reason: `no answer from ${route.origin}: ${reasonOf(thrown)}`,
    hint,
  }
}

/** Interim answers (1xx) start the wait for the real one anew, so only so many of them are taken. */
function boundInterim(signal: AbortSignal): { readonly count: () => void; readonly signal: AbortSignal } {
  const tooMany = new AbortController()
  let seen = 0
  const count = () => {
    seen += 1
    if (seen > MAX_INTERIM_ANSWERS)
      tooMany.abort(new Error(`more than ${MAX_INTERIM_ANSWERS} interim answers`))
  }
  return { count, signal: AbortSignal.any([signal, tooMany.signal]) }
}

/** A length counts only when there is a body and one plain number says it; undici holds the body to it. */
function sendable(headers: HeaderList, hasBody: boolean): HeaderList {
  const lengths = headers.filter(([name]) => name === "content-length")
  const trusted = hasBody && lengths.length === 1 && /^\d{1,15}$/.test(lengths[0]?.[1] ?? "")
  return trusted ? headers : headers.filter(([name]) => name !== "content-length")
}

function agentOptions(timeouts: Timeouts, connect: buildConnector.connector): Agent.Options {
  return {
    connect,
    headersTimeout: timeouts.firstByteMs,
    bodyTimeout: timeouts.idleMs,
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: 64 * 1024,
  }
}

function guardedConnector(timeouts: Timeouts): buildConnector.connector {
  const connect = buildConnector({ timeout: timeouts.connectMs, lookup: lookupAboveFloor })
  return (options, callback) => {
    // a literal is looked up by nobody, and not even a handshake goes to one below the floor
    if (isIP(options.hostname) > 0 && isClosed(options.hostname)) {
      return callback(new FloorError(options.hostname, options.hostname), null)
    }
    connect(options, (failure, socket) => {
      if (failure || !socket) return callback(failure ?? new Error("no socket"), null)
      const address = socket.remoteAddress ?? ""
      if (!isClosed(address)) return callback(null, socket)
      socket.destroy()
      callback(new FloorError(options.hostname, address), null)
    })
  }
}

function pairHeaders(raw: unknown): HeaderList {
  const flat = Array.isArray(raw) ? raw.map(String) : []
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    pairs.push([(flat[index] ?? "").toLowerCase(), flat[index + 1] ?? ""])
  }
  return pairs
}

function isClosed(address: string): boolean {
  return isBelowFloor(address) || isOwnAddress(address)
}
