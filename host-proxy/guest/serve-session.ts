/** An HTTP/2 server on a connection whose other end is hostile: limits on everything, no error unhandled. */

import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2"
import type { Socket } from "node:net"
import { reasonOf } from "../../contract/fault.ts"
import type { Log } from "../exchange.ts"

/** Names and values in turn, as they came, pseudo-headers first. */
export type RawHeaders = readonly string[]

export interface SessionHandlers {
  /** Called for each request; what it throws resets that stream alone. */
  onRequest(stream: ServerHttp2Stream, rawHeaders: RawHeaders): Promise<void>
  readonly log: Log
  /** The other end sent what is no HTTP/2, as one does that has started anew. */
  readonly onBroken?: () => void
}

const LIMITS = {
  maxSessionMemory: 32, // MB
  maxHeaderListPairs: 128,
  maxOutstandingPings: 4,
  maxSettings: 16,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  // rapid reset (CVE-2023-44487): a burst, then a rate, then the session ends
  streamResetBurst: 200,
  streamResetRate: 20,
  settings: {
    maxConcurrentStreams: 128,
    maxHeaderListSize: 64 * 1024,
    initialWindowSize: 1024 * 1024,
    enablePush: false,
    enableConnectProtocol: true,
  },
} as const

/** The preface must lie in the socket. The session ends with its socket and the socket with it. */
export function serveSession(socket: Socket, handlers: SessionHandlers): ServerHttp2Session {
  const session = performServerHandshake(socket, LIMITS)
  session.on("error", (failure) => {
    handlers.log(`session ended: ${failure.message}`)
    handlers.onBroken?.()
  })
  session.on("close", () => socket.destroy())
  session.on("goaway", (code) => code !== constants.NGHTTP2_NO_ERROR && session.destroy())
  session.on("stream", (stream, _headers, _flags, rawHeaders) => {
    // also announced by 'close' and 'aborted', which the handlers watch; unheard, it would end the process
    stream.on("error", (failure) => handlers.log(`stream ${stream.id}: ${failure.message}`))
    // Node passes rawHeaders as an array of strings; its type says nothing
    handlers.onRequest(stream, rawHeaders as unknown as RawHeaders).catch((thrown) => {
      handlers.log(`stream ${stream.id}: ${reasonOf(thrown)}`)
      // not close(code): it may send END_STREAM first, and the guest would see a good end
      stream.destroy(new Error("the request failed"))
    })
  })
  return session
}
