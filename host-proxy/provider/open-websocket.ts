/** The host's own WebSocket handshake with an upstream: own key, no extensions, only subprotocols that were offered. */

import { createHash, randomBytes } from "node:crypto"
import type { Duplex } from "node:stream"
import { setTimeout as delay } from "node:timers/promises"
import type { Dispatcher } from "undici"
import type { HeaderList } from "../exchange.ts"
import type { Route } from "./route.ts"

/** An upstream that has agreed; the socket carries frames from here on. */
export interface UpstreamWebSocket {
  readonly socket: Duplex
  /** What the guest may see of the upstream's answer. */
  readonly headers: HeaderList
}

/** RFC 6455 1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
const HANDSHAKE_MS = 30_000
const PROTOCOL = "sec-websocket-protocol"
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

interface Switched {
  readonly status: number
  readonly headers: HeaderList
  readonly socket: Duplex
}

/** Rejects when the upstream does not agree, or not in the way that it must. */
export async function openWebSocket(
  dispatcher: Dispatcher,
  route: Route,
  signal: AbortSignal,
): Promise<UpstreamWebSocket> {
  const key = randomBytes(16).toString("base64")
  const offered = route.headers.filter(([name]) => name === PROTOCOL).flatMap(([, value]) => splitList(value))
  const rest = route.headers.filter(
    ([name]) => !name.startsWith("sec-websocket-") && name !== "content-length",
  )
  const own: HeaderList = [
    ["sec-websocket-version", "13"],
    ["sec-websocket-key", key],
    ...(offered.length > 0 ? [[PROTOCOL, offered.join(", ")] as const] : []),
  ]
  const answer = await dispatchUpgrade(dispatcher, route, [...rest, ...own], signal)
  const wrong = describeWrong(answer, key, offered)
  if (wrong !== null) {
    answer.socket.destroy()
    throw new Error(`the upstream's WebSocket handshake is wrong: ${wrong}`)
  }
  const headers = answer.headers.filter(([name]) => name === PROTOCOL || !name.startsWith("sec-websocket-"))
  return { socket: answer.socket, headers: headers.filter(([name]) => name !== "content-length") }
}

function dispatchUpgrade(
  dispatcher: Dispatcher,
  route: Route,
  headers: HeaderList,
  signal: AbortSignal,
): Promise<Switched> {
  const { promise, resolve, reject } = Promise.withResolvers<Switched>()
  const over = new AbortController()
  let abort: (reason: Error) => void = () => undefined
  const giveUp = (reason: Error) => {
    reject(reason)
    abort(reason)
  }
  signal.addEventListener("abort", () => giveUp(new Error("the guest has gone")), { signal: over.signal })
  void delay(HANDSHAKE_MS, null, { signal: over.signal, ref: false })
    .then(() => giveUp(new Error(`no WebSocket after ${HANDSHAKE_MS / 1000} s`)))
    .catch(() => null) // the handshake was over before
  dispatcher.dispatch(
    {
      origin: route.origin,
      path: route.target,
      method: "GET",
      headers: headers.flat(),
      upgrade: "websocket",
    },
    {
      onRequestStart(controller) {
        abort = (reason) => controller.abort(reason)
        if (signal.aborted) giveUp(new Error("the guest has gone"))
      },
      onRequestUpgrade(controller, status, _headers, socket) {
        resolve({ status, headers: pairRaw(controller.rawHeaders), socket })
      },
      onResponseStart(_controller, status) {
        giveUp(new Error(`the upstream answered ${status} instead of opening a WebSocket`))
      },
      onResponseError: (_controller, failure) => reject(failure),
    },
  )
  return promise.finally(() => over.abort())
}

function describeWrong(
  { status, headers }: Switched,
  key: string,
  offered: readonly string[],
): string | null {
  const all = (name: string) => headers.filter(([one]) => one === name).map(([, value]) => value)
  if (status !== 101) return `its status is ${status}`
  if (all("upgrade").join().toLowerCase() !== "websocket") return "it upgrades to something else"
  if (
    !all("connection")
      .flatMap(splitList)
      .some((one) => one.toLowerCase() === "upgrade")
  )
    return "its Connection header does not say upgrade"
  const accept = createHash("sha1").update(`${key}${ACCEPT_SUFFIX}`).digest("base64")
  if (all("sec-websocket-accept").join() !== accept)
    return "its Sec-WebSocket-Accept is not the answer to our key"
  if (all("sec-websocket-extensions").length > 0) return "it uses an extension that nobody offered"
  const chosen = all(PROTOCOL)
  if (chosen.length > 1 || chosen.some((one) => !offered.includes(one)))
    return "it speaks a subprotocol that nobody offered"
  return null
}

function splitList(value: string): string[] {
  return value
    .split(",")
    .map((one) => one.trim())
    .filter((one) => TOKEN.test(one))
}

/** undici's raw headers: names and values in turn, as bytes. */
function pairRaw(raw: unknown): HeaderList {
  const flat = Array.isArray(raw)
    ? raw.map((one) => (Buffer.isBuffer(one) ? one.toString("latin1") : String(one)))
    : []
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    pairs.push([(flat[index] ?? "").toLowerCase(), flat[index + 1] ?? ""])
  }
  return pairs
}
