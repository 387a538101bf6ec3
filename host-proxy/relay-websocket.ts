/** The part of the spine that relays a WebSocket: frame by frame in both directions, made anew, never spliced. */

import { randomBytes } from "node:crypto"
import type { Duplex } from "node:stream"
import { reasonOf } from "../contract/fault.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import type { Outcome, Refusal } from "./exchange.ts"
import { LeakError, openLeakScan } from "./provider/leak-scan.ts"
import { explainFailure } from "./provider/outbound.ts"
import { refuseCall } from "./refuse-call.ts"
import { departure, type Relay } from "./relay.ts"
import { BrokenFrame, type Frame, FrameReader } from "./websocket/frame-reader.ts"
import { MessageGuard } from "./websocket/message-guard.ts"
import { renderClose, renderFrame } from "./websocket/render-frame.ts"

/** From the first close frame to the end of the connection. */
const CLOSE_MS = 5_000

export async function relayWebSocket(relay: Relay): Promise<ExchangeRow> {
  const { gateway, guest, exchange, route } = relay
  exchange.route({ rule: route.rule, provider: route.provider, api: null })
  let socket: Duplex | null = null
  try {
    const opened = await gateway.outbound.openWebSocket(route, guest.signal)
    socket = opened.socket
    const scans = route.secret === null ? null : openScans(route.secret, opened.headers)
    exchange.answer({ status: 101, headers: opened.headers, firstByteAtMs: gateway.now() })
    guest.respond(200, opened.headers, { endStream: false })
    return await new Conversation(relay, socket, scans).carry()
  } catch (thrown) {
    socket?.destroy()
    if (guest.signal.aborted)
      return exchange.seal({ ...ended(relay, departure(relay)), upstreamError: guest.cutReason })
    return refuseCall(gateway, guest, exchange, explainFailure(thrown, route))
  }
}

function ended(relay: Relay, outcome: Outcome) {
  return { outcome, upstreamError: null, endedAtMs: relay.gateway.now() }
}

/** One for messages and one for control frames, which may come between the fragments of a message. */
function openScans(secret: string, headers: Parameters<typeof openLeakScan>[1]) {
  return { data: openLeakScan(secret, headers), control: openLeakScan(secret, []) }
}

/** Why a conversation is over. `code`: both sides are told to close with it; null: they have closed. */
interface Over {
  readonly outcome: Outcome
  readonly code: number | null
  readonly reason: string | null
}

class Conversation {
  readonly #relay: Relay
  readonly #socket: Duplex
  readonly #scans: ReturnType<typeof openScans> | null
  readonly #up = { reader: new FrameReader(true), guard: new MessageGuard() }
  readonly #down = { reader: new FrameReader(false), guard: new MessageGuard() }
  readonly #end = Promise.withResolvers<Over>()
  #idle: NodeJS.Timeout | null = null
  #closing: NodeJS.Timeout | null = null
  #over = false

  constructor(relay: Relay, socket: Duplex, scans: ReturnType<typeof openScans> | null) {
    this.#relay = relay
    this.#socket = socket
    this.#scans = scans
  }

  async carry(): Promise<ExchangeRow> {
    const { guest, gateway, exchange } = this.#relay
    const { websocketMs } = gateway.limits
    const late = setTimeout(() => this.#stop(1001, `it was open for ${websocketMs / 1000} s`), websocketMs)
    const gone = () => this.#settle({ outcome: departure(this.#relay), code: null, reason: guest.cutReason })
    guest.signal.addEventListener("abort", gone, { once: true })
    this.#socket.on("error", () => this.#socket.destroy()) // the loop that reads it hears of it, too
    this.#heard()
    this.#pumpUp().catch((thrown) => this.#settle(this.#explain(thrown, "interrupted")))
    this.#pumpDown().catch((thrown) => this.#settle(this.#explain(thrown, "upstream-failed")))
    const over = await this.#end.promise
    this.#over = true
    guest.signal.removeEventListener("abort", gone)
    for (const timer of [late, this.#idle, this.#closing]) if (timer) clearTimeout(timer)
    if (over.code === null) this.#socket.destroy()
    else {
      const frame = this.#renderClose(over.code, over.reason, randomBytes(4))
      // an upstream that reads nothing does not keep the connection
      const unread = setTimeout(() => this.#socket.destroy(), CLOSE_MS)
      this.#socket.once("close", () => clearTimeout(unread))
      this.#socket.end(frame, () => this.#socket.destroy())
    }
    if (over.reason !== null) exchange.route({ rule: this.#relay.route.rule, reason: over.reason })
    const row = await exchange.seal({ ...ended(this.#relay, over.outcome), upstreamError: over.reason })
    if (guest.signal.aborted) return row
    if (over.outcome === "complete") guest.end()
    else if (over.code === null) guest.cut()
    else guest.end(this.#renderClose(over.code, over.reason, null))
    return row
  }

  /** From the guest to the upstream: counted, archived, masked with a key of our own. */
  async #pumpUp(): Promise<void> {
    const { guest, machine, exchange, route } = this.#relay
    const spender = { host: route.request.host, rule: route.rule, grant: route.grant }
    for await (const chunk of guest.body()) {
      for (const frame of this.#up.reader.feed(chunk)) {
        if (this.#over) return
        this.#up.guard.check(frame, this.#relay.gateway.now())
        const over = machine.allowance.budget.charge(frame.raw.length, spender)
        if (over) throw new OverBudget(over)
        exchange.request.append(frame.raw)
        this.#heard(frame)
        await write(this.#socket, renderFrame(frame, randomBytes(4)))
      }
    }
    if (this.#up.guard.closed) return // the upstream's side ends it, or the time to close
    this.#settle({ outcome: "client-aborted", code: 1001, reason: "the guest left without a close frame" })
  }

  /** From the upstream to the guest: looked through for the credential, archived, without a mask. */
  async #pumpDown(): Promise<void> {
    const waiting: { readonly data: Frame[]; readonly control: Frame[] } = { data: [], control: [] }
    for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
      for (const frame of this.#down.reader.feed(chunk)) {
        if (this.#over) return
        this.#down.guard.check(frame, this.#relay.gateway.now())
        this.#heard(frame)
        const kind = frame.opcode < 8 ? "data" : "control"
        waiting[kind].push(frame)
        // nothing is free while what came could be the beginning of the credential
        const free = this.#scans ? (await this.#scans[kind].pass(frame.payload)).length > 0 : true
        if (free) await this.#passDown(waiting[kind].splice(0))
      }
    }
    await this.#passDown([...waiting.data, ...waiting.control])
    const closed = this.#down.guard.closed || this.#up.guard.closed
    if (closed) this.#settle({ outcome: "complete", code: null, reason: null })
    else
      this.#settle({
        outcome: "upstream-failed",
        code: null,
        reason: "the upstream left without a close frame",
      })
  }

  async #passDown(frames: readonly Frame[]): Promise<void> {
    const { guest, exchange } = this.#relay
    for (const frame of frames) {
      if (this.#over) return
      exchange.response.append(frame.raw)
      await guest.write(renderFrame(frame, null))
    }
  }

  /** Something came: the wait for the next begins anew, and a close gives the rest some seconds. */
  #heard(frame?: Frame): void {
    const { websocketIdleMs } = this.#relay.gateway.limits
    if (this.#idle) clearTimeout(this.#idle)
    this.#idle = setTimeout(
      () => this.#stop(1001, `nothing came for ${websocketIdleMs / 1000} s`),
      websocketIdleMs,
    )
    if (frame?.opcode !== 8) return
    this.#closing ??= setTimeout(
      () => this.#settle({ outcome: "complete", code: null, reason: null }),
      CLOSE_MS,
    )
  }

  #stop(code: number, reason: string): void {
    this.#settle({ outcome: "interrupted", code, reason })
  }

  #settle(over: Over): void {
    this.#end.resolve(over)
  }

  #explain(thrown: unknown, outcome: Outcome): Over {
    const { guest, gateway, exchange } = this.#relay
    if (guest.signal.aborted) return { outcome: departure(this.#relay), code: null, reason: guest.cutReason }
    if (thrown instanceof OverBudget) return { outcome: "interrupted", code: 1008, reason: thrown.message }
    if (thrown instanceof BrokenFrame) {
      const side = outcome === "interrupted" ? "the guest" : "the upstream"
      return { outcome, code: thrown.code, reason: `${side} broke the WebSocket: ${thrown.message}` }
    }
    if (thrown instanceof LeakError) gateway.log(`exchange ${exchange.id}: ${thrown.message}; it was cut`)
    return {
      outcome: "upstream-failed",
      code: thrown instanceof LeakError ? null : 1001,
      reason: reasonOf(thrown),
    }
  }

  #renderClose(code: number, reason: string | null, mask: Buffer | null): Buffer {
    return renderFrame({ fin: true, opcode: 8, payload: renderClose(code, reason ?? "") }, mask)
  }
}

class OverBudget extends Error {
  constructor(refusal: Refusal) {
    super(refusal.reason)
  }
}

/** Resolves when the next frame may come. */
function write(socket: Duplex, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (failure) => (failure ? reject(failure) : resolve()))
  })
}
