/** Gives a client the host's refusal where there is no ServerResponse: of a CONNECT, of a WebSocket. */

import type { Duplex } from "node:stream"
import { toHttp1Headers } from "./headers.ts"

export interface HostAnswer {
  readonly status: number
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export function passOn(socket: Duplex, { status, rawHeaders, body }: HostAnswer): void {
  const headers = toHttp1Headers(rawHeaders)
  const lines = [`HTTP/1.1 ${status} Refused`]
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index] !== "content-length") lines.push(`${headers[index]}: ${headers[index + 1]}`)
  }
  lines.push(`content-length: ${body.length}`, "connection: close", "", "")
  socket.write(lines.join("\r\n"), "latin1")
  socket.end(body)
}
