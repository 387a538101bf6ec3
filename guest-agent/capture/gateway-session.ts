/**
 * One HTTP/2 session with the host over the shared stream of the egress wire.
 * QEMU joins that stream anew when the host service restarts, and the guest's TCP never notices: so a session
 * counts only once the host's settings have come, and as long as it answers pings.
 */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { GatewayTarget } from "./gateway-target.ts"

export interface GatewaySession {
  readonly request: (headers: OutgoingHttpHeaders, endStream: boolean) => ClientHttp2Stream
  /** Streams above this number have not been processed; infinite while the host has said nothing. */
  readonly lastProcessedStream: () => number
  /** True until the host says that it goes, or the connection ends. */
  readonly isOpen: () => boolean
  /** The host said that it ends, and not that something was wrong. */
  readonly endedInOrder: () => boolean
  /** When the host was last heard of, by performance.now(). */
  readonly aliveAtMs: () => number
  readonly noteAlive: () => void
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
}

const PING_ANSWER_MS = 1_500
/** Between pings: while requests wait for the host, and while none does. */
const PING_BUSY_MS = 2_000
const PING_IDLE_MS = 10_000
/** What a session that the host has told to end may still take to finish its streams. */
const GOAWAY_MS = 5_000
/** Bytes under way to us: per stream and in all. */
const STREAM_WINDOW_BYTES = 1_048_576
const SESSION_WINDOW_BYTES = 8_388_608

/** Resolves with a session that the host has answered on within `settingsMs`. */
export async function openGatewaySession(target: GatewayTarget, settingsMs: number): Promise<GatewaySession> {
  const socket = target.connect()
  const http2 = connectHttp2("http://gateway", {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES, maxHeaderListSize: 262_144 },
    maxSendHeaderBlockLength: 262_144,
  })
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  let lastProcessed = Number.POSITIVE_INFINITY
  let open = true
  let inOrder = false
  let aliveAtMs = performance.now()
  const noteAlive = (): void => {
    aliveAtMs = performance.now()
  }
  void closed.then(() => {
    open = false
    http2.destroy()
  })
  http2.on("goaway", (code, lastStreamId) => {
    inOrder = code === constants.NGHTTP2_NO_ERROR
    lastProcessed = lastStreamId
    open = false
    setTimeout(() => socket.destroy(), GOAWAY_MS).unref()
  })
  // a session may be closed in order while its socket would stay open
  http2.once("close", () => socket.destroy())
  try {
    await firstSettings(http2, settingsMs)
  } catch (thrown) {
    socket.destroy()
    throw thrown
  }
  http2.setLocalWindowSize(SESSION_WINDOW_BYTES)
  let active = 0
  const watch = keepWatch(http2, {
    isBusy: () => active > 0,
    noteAlive,
    drop: () => socket.destroy(),
  })
  return {
    closed,
    noteAlive,
    endedInOrder: () => inOrder,
    aliveAtMs: () => aliveAtMs,
    lastProcessedStream: () => lastProcessed,
    isOpen: () => open && !http2.closed,
    request: (headers, endStream) => {
      const stream = http2.request(headers, { endStream })
      active += 1
      // the answer shows early that a host is gone, and tells later whether it was there when this was sent
      watch.askNow()
      stream.once("close", () => {
        active -= 1
      })
      return stream
    },
  }
}

function firstSettings(http2: ClientHttp2Session, settingsMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new Fault("gateway/silent", `the host said nothing for ${settingsMs} ms`))
    // what has arrived meanwhile is read first: a guest that boots is late itself
    const timer = setTimeout(() => setImmediate(giveUp), settingsMs)
    http2.once("remoteSettings", () => {
      clearTimeout(timer)
      resolve()
    })
    // stays for the session's life: an error without a listener would end the program
    http2.on("error", (cause) => {
      clearTimeout(timer)
      reject(new Fault("gateway/unreachable", reasonOf(cause), { cause }))
    })
    http2.once("close", () => reject(new Fault("gateway/unreachable", "the host closed the connection")))
  })
}

interface Watched {
  readonly isBusy: () => boolean
  readonly noteAlive: () => void
  readonly drop: () => void
}

/** Pings until the session ends; `drop` is called when one stays without an answer. */
function keepWatch(http2: ClientHttp2Session, { isBusy, noteAlive, drop }: Watched): { askNow: () => void } {
  let timer: NodeJS.Timeout | undefined
  let asking = false
  const wait = (): void => {
    clearTimeout(timer)
    timer = setTimeout(ping, isBusy() ? PING_BUSY_MS : PING_IDLE_MS)
    timer.unref()
  }
  const ping = (): void => {
    clearTimeout(timer)
    asking = true
    // what has arrived is read before the verdict, or a slow guest would take its own lateness for the host's
    timer = setTimeout(() => setImmediate(() => asking && drop()), PING_ANSWER_MS)
    const sent = http2.ping((error) => {
      asking = false
      if (error) return drop()
      noteAlive()
      return wait()
    })
    if (!sent) drop()
  }
  http2.once("close", () => {
    asking = false
    clearTimeout(timer)
  })
  wait()
  return { askNow: () => (asking ? undefined : ping()) }
}
