/** Answers of the proxy's own, in the shape of the host's refusals: only when the host cannot be asked. */

import type { ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { RefusalBody } from "../../contract/verdict.ts"

export interface Refusal {
  readonly status: 400 | 408 | 431 | 501 | 502 | 503
  /** `proxy/…` or `gateway/…`: the guest's own rules. */
  readonly rule: string
  readonly message: string
  readonly hint: string
  /** The id of the exchange. */
  readonly exchange: string
}

const REASONS = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
} as const

export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  const body = render(refusal)
  response.writeHead(refusal.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  })
  response.end(body)
}

/** For connections that have no ServerResponse: CONNECT, upgrades, messages that do not parse. */
export function writeRefusal(socket: Duplex, refusal: Refusal): void {
  if (socket.writable) socket.end(renderMessage(refusal))
  else socket.destroy()
}

/** The whole message, after which the connection closes. */
export function renderMessage(refusal: Refusal): string {
  const body = render(refusal)
  const head = [
    `HTTP/1.1 ${refusal.status} ${REASONS[refusal.status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

function render({ rule, message, hint, exchange }: Refusal): string {
  const body: RefusalBody = { error: { type: "stereo_refused", rule, message, hint, exchange } }
  return `${JSON.stringify(body)}\n`
}
