/** One request to the host and its answer back: the only way in which anything leaves the guest. */

import type { IncomingMessage, ServerResponse } from "node:http"
import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2"
import { reasonOf } from "../../contract/fault.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import type { Envelope } from "../../contract/uplink.ts"
import { GUEST_CLAIM_HEADERS } from "../../contract/wire.ts"
import { type Connection, cut } from "./connection.ts"
import type { Gateway } from "./gateway.ts"
import type { GatewaySession } from "./gateway-session.ts"
import { toHttp2Headers } from "./headers.ts"
import { type Refusal, sendRefusal } from "./refusal.ts"
import { type Relayed, relayResponse } from "./relay-response.ts"
import { type RequestBody, readRequestBody } from "./request-body.ts"
import type { Target } from "./target.ts"

export interface ExchangeContext {
  readonly gateway: Gateway
  /** Takes the proxy's own account of each exchange that reached the wire. */
  readonly report: (envelope: Envelope) => void
  readonly nowMs: () => number
  readonly log: (line: string) => void
}

export interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly connection: Connection
  readonly target: Target
}

const MAX_ATTEMPTS = 3
/** Sending these again changes nothing, even if the host had begun with them. */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"])

export async function forwardExchange(exchange: Exchange, context: ExchangeContext): Promise<void> {
  const { incoming, outgoing, connection, target } = exchange
  const id = newIdentifier(context.nowMs())
  const startedAtMs = context.nowMs()
  const process = await connection.caller
  const body = readRequestBody(incoming)
  const headers: OutgoingHttpHeaders = {
    ":method": incoming.method ?? "GET",
    ":scheme": target.scheme,
    ":authority": target.authority,
    ":path": target.path,
    ...toHttp2Headers(incoming.rawHeaders),
    ...claims(id, process, connection.serverName),
  }
  const relayed = await attempt(exchange, context, headers, body, id)
  if (!relayed) return
  const request = body.digest()
  body.discard()
  context.report({
    id,
    startedAtMs,
    endedAtMs: context.nowMs(),
    via: connection.via,
    process,
    method: incoming.method ?? "GET",
    authority: target.authority,
    path: target.path,
    status: relayed.status,
    requestSha256: request.sha256,
    requestBytes: request.bytes,
    responseSha256: relayed.sha256,
    responseBytes: relayed.bytes,
    outcome: relayed.outcome,
  })
  if (relayed.outcome !== "gateway-aborted") return
  if (outgoing.headersSent) cut(connection)
  else sendRefusal(outgoing, lost(id, relayed.reason))
}

/** The headers by which the proxy tells the host what it knows. */
export function claims(
  id: string,
  process: Envelope["process"],
  serverName: string | null,
): Readonly<Record<string, string>> {
  return {
    [GUEST_CLAIM_HEADERS.exchange]: id,
    ...(process ? { [GUEST_CLAIM_HEADERS.process]: `${process.pid} ${process.executable}` } : {}),
    ...(serverName === null ? {} : { [GUEST_CLAIM_HEADERS.sni]: serverName }),
  }
}

/** Null: nothing of it reached the wire, and the client has its answer. */
async function attempt(
  { incoming, outgoing }: Exchange,
  context: ExchangeContext,
  headers: OutgoingHttpHeaders,
  body: RequestBody,
  id: string,
): Promise<Relayed | null> {
  for (let count = 1; ; count += 1) {
    let session: GatewaySession
    let stream: ClientHttp2Stream
    try {
      session = await context.gateway.acquire(count > 1)
      if (outgoing.destroyed) return null
      stream = session.request(headers, body.isEmpty)
    } catch (thrown) {
      body.discard()
      if (!outgoing.destroyed) sendRefusal(outgoing, notSent(id, thrown))
      return null
    }
    const sentAtMs = performance.now()
    body.sendTo(stream)
    const relayed = await relayResponse(stream, outgoing, () => {
      session.noteAlive()
      body.release()
    })
    body.detach()
    // an answer that came before the upload's end: the rest is not wanted
    if (!stream.writableEnded) stream.destroy(new DOMException("the answer is complete", "AbortError"))
    const lost = relayed.outcome === "gateway-aborted" && relayed.status === null
    const again = SAFE_METHODS.has(incoming.method ?? "") || isUntouched(stream, session, sentAtMs)
    if (!lost || !again || count === MAX_ATTEMPTS || !body.isKept()) return relayed
    context.log(`sending exchange ${id} again: ${relayed.reason}`)
  }
}

/**
 * True if the host cannot have begun with the stream: it says so itself, or nothing was heard of it since the
 * request went out together with a ping. A host that restarted disowns all streams, its predecessor's too, so
 * its word alone does not count.
 */
function isUntouched(stream: ClientHttp2Stream, session: GatewaySession, sentAtMs: number): boolean {
  if (session.aliveAtMs() < sentAtMs) return true
  const last = session.lastProcessedStream()
  if (last === Number.POSITIVE_INFINITY) return stream.rstCode === constants.NGHTTP2_REFUSED_STREAM
  return session.endedInOrder() && (stream.id === undefined || stream.id > last)
}

function lost(exchange: string, reason: string): Refusal {
  return {
    status: 502,
    rule: "gateway/aborted",
    message: `the gateway broke off before it answered: ${reason}`,
    hint: "the request may have been made; try again if that does no harm",
    exchange,
  }
}

function notSent(exchange: string, thrown: unknown): Refusal {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : ""
  if (
    /^ERR_(HTTP2_(INVALID_|HEADER_|CONNECT_|STATUS_)|INVALID_)/.test(code) &&
    code !== "ERR_HTTP2_INVALID_SESSION"
  ) {
    const message = `the request's headers cannot be passed on: ${reasonOf(thrown)}`
    return {
      status: 400,
      rule: "proxy/bad-headers",
      message,
      hint: "send each header once, in plain ASCII",
      exchange,
    }
  }
  return {
    status: 503,
    rule: "gateway/unreachable",
    message: `the gateway cannot be reached, so nothing leaves this machine: ${reasonOf(thrown)}`,
    hint: "on the host: stereo doctor; then try again",
    exchange,
  }
}
