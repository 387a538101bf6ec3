/** The host's end of a machine's control wire: waits for the guest, tells it who it is, relays requests to it. */

import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2"
import { setTimeout as delay } from "node:timers/promises"
import { type GuestHealth, type GuestIdentity, guestHealth } from "../../contract/control.ts"
import { reasonOf } from "../../contract/fault.ts"
import type { ReadyReport } from "../../contract/host-api.ts"
import type { MeasurementLine } from "../../contract/measurement.ts"
import type { Log } from "../exchange.ts"
import { openPace } from "../pace.ts"
import { askGuest } from "./ask-guest.ts"
import { connectSocket } from "./connect-socket.ts"
import { readMeasurements } from "./read-measurements.ts"

export interface ControlOptions {
  readonly socketPath: string
  /** A new identity for each time that a guest has none. */
  readonly identity: () => GuestIdentity
  /** Each thing that the guest says of what it is. */
  readonly onMeasurement: (line: MeasurementLine) => void
  /** The guest agent has begun anew. */
  readonly onUnidentified: () => void
  readonly now: () => number
  readonly log: Log
}

export interface ControlLink extends AsyncDisposable {
  /** Resolves once the guest has its identity, its firewall and its proxy; rejects when `signal` aborts. */
  ready(signal: AbortSignal): Promise<ReadyReport>
  /** The session with the guest; null while there is none that has answered. */
  session(): ClientHttp2Session | null
  /** Asks at once whether the guest still answers on this wire, and takes it up anew if not. */
  verify(): void
}

const RETRY_MS = 150
/** A guest may take long to boot; what was sent meanwhile waits in the port. */
const FIRST_ANSWER_MS = 60_000
const ANSWER_MS = 20_000
/** A guest may be stopped for a snapshot or starved; its streams must not die of that. */
const ALIVE_MS = 60_000
const VERIFY_MS = 3_000
const PING_EVERY_MS = 5_000
/** What a guest may say of itself: 20 kB each time that it is measured whole, and a few bytes when nothing changed. */
const MEASURED_BYTES = { burst: 4 * 1024 * 1024, perSecond: 64 * 1024 }
const MEASURE_AGAIN_MS = 1_000

export function openControlLink(options: ControlOptions): ControlLink {
  const ended = new AbortController()
  const state = new LinkState(options.now())
  const done = runLink(options, state, ended.signal)
  return {
    ready: (signal) => state.whenReady(AbortSignal.any([signal, ended.signal])),
    session: () => state.session,
    verify: () => void verifySession(state.session, ended.signal),
    async [Symbol.asyncDispose]() {
      ended.abort(new Error("the machine was detached"))
      state.session?.destroy()
      await done
    },
  }
}

/** A restarted agent serves both ports anew, but only the uplink, on which it speaks first, shows it. */
async function verifySession(session: ClientHttp2Session | null, signal: AbortSignal): Promise<void> {
  if (!session || session.destroyed) return
  try {
    await readHealth(session, VERIFY_MS, signal)
  } catch (thrown) {
    session.destroy(new Error(`the guest agent has restarted (${reasonOf(thrown)})`))
  }
}

class LinkState {
  readonly attachedAtMs: number
  session: ClientHttp2Session | null = null
  /** What the link is waiting for, for the message of a time-out. */
  waitingFor = "the control socket"
  controlMs: number | null = null
  #report: ReadyReport | null = null
  readonly #waiting = new Set<(report: ReadyReport) => void>()

  constructor(attachedAtMs: number) {
    this.attachedAtMs = attachedAtMs
  }

  settle(report: ReadyReport): void {
    this.#report = report
    for (const resolve of this.#waiting) resolve(report)
    this.#waiting.clear()
  }

  /** A guest that went away is not ready until it has answered again. */
  lose(): void {
    this.session = null
    this.#report = null
  }

  whenReady(signal: AbortSignal): Promise<ReadyReport> {
    if (this.#report) return Promise.resolve(this.#report)
    return new Promise((resolve, reject) => {
      const give = (report: ReadyReport) => resolve(report)
      const abort = () => {
        this.#waiting.delete(give)
        reject(new Error(`still waiting for ${this.waitingFor}`))
      }
      this.#waiting.add(give)
      if (signal.aborted) abort()
      else signal.addEventListener("abort", abort, { once: true })
    })
  }
}

async function runLink(options: ControlOptions, state: LinkState, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    try {
      await serveOnce(options, state, ended)
    } catch (thrown) {
      if (!ended.aborted && state.waitingFor !== "the control socket") {
        const waiting = state.waitingFor === "nothing" ? "" : `, while waiting for ${state.waitingFor}`
        options.log(`control: ${reasonOf(thrown)}${waiting}`)
      }
    }
    state.lose()
    await delay(RETRY_MS, null, { signal: ended }).catch(() => null) // aborted: the loop's condition ends it
  }
}

/** One connection from its opening to its end. */
async function serveOnce(options: ControlOptions, state: LinkState, ended: AbortSignal): Promise<void> {
  state.waitingFor = "the control socket"
  const socket = await connectSocket(options.socketPath, ended)
  const session = connectHttp2("http://guest", { createConnection: () => socket, maxSessionMemory: 64 })
  const closed = new AbortController()
  session.on("error", (failure) => closed.abort(failure))
  session.once("close", () => closed.abort(new Error("the guest closed the control wire")))
  const signal = AbortSignal.any([ended, closed.signal])
  try {
    const health = await awaitAnswer(session, options, state, signal)
    const kept = greetGuest(session, options, state, health, signal).then(() => keepAlive(session, signal))
    await Promise.race([kept, followMeasurements(session, options, signal)])
  } catch (thrown) {
    throw closed.signal.aborted ? closed.signal.reason : thrown
  } finally {
    session.destroy()
    socket.destroy()
  }
}

/** Before anything is measured: what a new agent says counts, and nothing that one before it said. */
async function awaitAnswer(
  session: ClientHttp2Session,
  options: ControlOptions,
  state: LinkState,
  signal: AbortSignal,
): Promise<GuestHealth> {
  state.waitingFor = "the guest agent's first answer"
  const health = await readHealth(session, FIRST_ANSWER_MS, signal)
  state.controlMs ??= options.now() - state.attachedAtMs
  if (!health.identified) options.onUnidentified()
  return health
}

async function greetGuest(
  session: ClientHttp2Session,
  options: ControlOptions,
  state: LinkState,
  answered: GuestHealth,
  signal: AbortSignal,
): Promise<void> {
  let health = answered
  if (!health.identified) {
    state.waitingFor = "the guest agent to take its identity"
    const identity = { body: JSON.stringify(options.identity()), timeoutMs: ANSWER_MS, signal }
    await askGuest(session, { method: "PUT", path: "/identity", ...identity })
    health = await awaitWhole(session, state, signal)
  }
  state.session = session
  const now = options.now()
  const { attachedAtMs, controlMs } = state
  state.settle({ health, controlMs: controlMs ?? now - attachedAtMs, readyMs: now - attachedAtMs })
  state.waitingFor = "nothing"
}

/** A guest that has just been told who it is may be used when its own wall stands. */
async function awaitWhole(
  session: ClientHttp2Session,
  state: LinkState,
  signal: AbortSignal,
): Promise<GuestHealth> {
  for (;;) {
    const health = await readHealth(session, ANSWER_MS, signal)
    if (health.identified && health.firewall && health.capture) return health
    state.waitingFor = describeMissing(health)
    await delay(RETRY_MS, null, { signal })
  }
}

function describeMissing(health: GuestHealth): string {
  if (!health.identified) return "the guest agent to take its identity"
  return health.firewall ? "the guest's capture proxy" : "the guest's firewall rules"
}

/** As long as the session: a stream of measurements that breaks off begins anew, and its silence tells meanwhile. */
async function followMeasurements(
  session: ClientHttp2Session,
  options: ControlOptions,
  signal: AbortSignal,
): Promise<never> {
  const pace = openPace(MEASURED_BYTES, options.now, signal)
  for (;;) {
    try {
      await readMeasurements(session, { take: options.onMeasurement, pace, signal })
    } catch (thrown) {
      if (!signal.aborted) options.log(`measurements: ${reasonOf(thrown)}`)
    }
    await delay(MEASURE_AGAIN_MS, null, { signal })
  }
}

async function readHealth(
  session: ClientHttp2Session,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<GuestHealth> {
  const text = await askGuest(session, { method: "GET", path: "/health", timeoutMs, signal })
  return guestHealth.parse(JSON.parse(text))
}

/** A guest that restarts does not close the port on the host's side: only silence tells. */
async function keepAlive(session: ClientHttp2Session, signal: AbortSignal): Promise<void> {
  for (;;) {
    await delay(PING_EVERY_MS, null, { signal })
    const health = await readHealth(session, ALIVE_MS, signal)
    if (!health.identified) throw new Error("the guest agent has restarted and lost its identity")
  }
}
