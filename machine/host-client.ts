/** Speaks contract/host-api.ts to the host service: HTTP/2 on its unix socket, answers checked, errors as Fault. */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2"
import { connect as connectSocket } from "node:net"
import type { Duplex } from "node:stream"
import { z } from "zod"
import { Fault, reasonOf } from "../contract/fault.ts"
import {
  type HostHealth,
  hostError,
  hostHealth,
  type ReadyReport,
  readyReport,
} from "../contract/host-api.ts"
import {
  type EgressReport,
  egressReport,
  type LiveChange,
  type LiveRequest,
  liveChange,
  type ReloadReport,
  type RevokeRequest,
  reloadReport,
} from "../contract/host-egress-api.ts"
import { type AttestationState, attestationState } from "../contract/measurement.ts"
import { readAnswer } from "./read-answer.ts"

export interface HostClient extends Disposable {
  health(signal: AbortSignal): Promise<HostHealth>
  /** Settles once the machine's egress socket is listened on. */
  attach(name: string, signal: AbortSignal): Promise<void>
  /** Waits until the guest has its identity and is attested; a fault says what the host was still waiting for. */
  ready(name: string, timeoutMs: number, signal: AbortSignal): Promise<ReadyReport>
  /** Waits for the guest agent alone: a machine that is not what it should be can still be looked into. */
  awaitAgent(name: string, timeoutMs: number, signal: AbortSignal): Promise<ReadyReport>
  /** Whether the machine is what its manifest promised. */
  attestation(name: string, signal: AbortSignal): Promise<AttestationState>
  /** A stream that is the guest's `sshd -i`. */
  openSsh(name: string, user: "agent" | "root", signal: AbortSignal): Promise<Duplex>
  /** Asks the guest to power off; it is still going down when this settles. */
  shutdown(name: string, signal: AbortSignal): Promise<void>
  detach(name: string, signal: AbortSignal): Promise<void>
  /** `nft -j list ruleset` as the guest's kernel gives it. */
  firewall(name: string, signal: AbortSignal): Promise<unknown>
  /** What may leave a machine at this moment. */
  egress(name: string, signal: AbortSignal): Promise<EgressReport>
  /** Makes the host read the machine's egress sets anew; a broken one closes it, which the answer says. */
  reload(name: string, claimedUser: string | null, signal: AbortSignal): Promise<ReloadReport>
  /** Makes a rule for as long as the machine runs, or shorter. */
  changeEgress(
    name: string,
    kind: "allow" | "deny",
    wish: LiveRequest,
    signal: AbortSignal,
  ): Promise<LiveChange>
  revokeEgress(name: string, wish: RevokeRequest, signal: AbortSignal): Promise<LiveChange>
  /** Lines of AskEvent come, lines of AskAnswer go; what waits is refused when it ends. */
  openAsk(name: string, query: AskQuery, signal: AbortSignal): Promise<Duplex>
}

export interface AskQuery {
  readonly timeoutMs: number
  readonly claimedUser: string | null
}

interface Answer {
  readonly stream: ClientHttp2Stream
  readonly status: number
  /** Ends the wait for the rest, too. */
  readonly signal: AbortSignal
}

/** Room for data on its way, so that the round trips of an emulated guest do not bound the throughput. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** Connects on first use. Faults: `host/unreachable`, `host/bad-answer`, and whatever code the host gives. */
export function openHostClient(socketPath: string): HostClient {
  const session = lazySession(socketPath)
  const call = (method: string, path: string, signal: AbortSignal) =>
    request(session.get(), { method, path, signal })
  const done = async (method: string, path: string, signal: AbortSignal) => {
    const answer = await call(method, path, signal)
    answer.stream.end()
    await readBody(answer)
  }
  const post = (path: string, body: unknown, signal: AbortSignal) =>
    request(session.get(), { method: "POST", path, signal, body: JSON.stringify(body) })
  return {
    health: async (signal) => parse(await call("GET", "/health", signal), hostHealth),
    attach: (name, signal) => done("POST", `/machines/${name}/attach`, signal),
    ready: async (name, timeoutMs, signal) =>
      parse(await call("GET", `/machines/${name}/ready?timeout_ms=${timeoutMs}`, signal), readyReport),
    awaitAgent: async (name, timeoutMs, signal) =>
      parse(await call("GET", `/machines/${name}/agent?timeout_ms=${timeoutMs}`, signal), readyReport),
    attestation: async (name, signal) =>
      parse(await call("GET", `/machines/${name}/attestation`, signal), attestationState),
    openSsh: async (name, user, signal) => {
      const answer = await call("POST", `/machines/${name}/control/ssh/${user}`, signal)
      if (answer.status !== 200) throw await readError(answer)
      return answer.stream
    },
    shutdown: (name, signal) => done("POST", `/machines/${name}/control/shutdown`, signal),
    detach: (name, signal) => done("POST", `/machines/${name}/detach`, signal),
    firewall: async (name, signal) =>
      parse(await call("GET", `/machines/${name}/control/firewall`, signal), z.unknown()),
    egress: async (name, signal) =>
      parse(await call("GET", `/machines/${name}/egress`, signal), egressReport),
    reload: async (name, claimedUser, signal) =>
      parse(await post(`/machines/${name}/reload`, { claimedUser }, signal), reloadReport),
    changeEgress: async (name, kind, wish, signal) =>
      parse(await post(`/machines/${name}/egress/${kind}`, wish, signal), liveChange),
    revokeEgress: async (name, wish, signal) =>
      parse(await post(`/machines/${name}/egress/revoke`, wish, signal), liveChange),
    openAsk: async (name, { timeoutMs, claimedUser }, signal) => {
      const query = new URLSearchParams({ timeout_ms: String(timeoutMs) })
      if (claimedUser !== null) query.set("claimed_user", claimedUser)
      const answer = await call("POST", `/machines/${name}/egress/ask?${query}`, signal)
      if (answer.status !== 200) throw await readError(answer)
      return answer.stream
    },
    [Symbol.dispose]: () => session.close(),
  }
}

function lazySession(socketPath: string) {
  let session: ClientHttp2Session | null = null
  return {
    get: () => {
      if (session !== null && !session.closed && !session.destroyed) return session
      const opened = connect("http://stereo", {
        createConnection: () => connectSocket(socketPath),
        settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
      })
      opened.once("connect", () => {
        // it says so of a connection that has failed, too
        if (!opened.destroyed) opened.setLocalWindowSize(WINDOW_BYTES)
      })
      // each open request fails with the same error and reports it; this keeps it from ending the process
      opened.on("error", () => opened.destroy())
      session = opened
      return opened
    },
    close: () => session?.destroy(),
  }
}

interface Call {
  readonly method: string
  readonly path: string
  readonly signal: AbortSignal
  /** All of it; without it the stream stays open for whoever called, unless it is a GET. */
  readonly body?: string
}

function request(session: ClientHttp2Session, call: Call): Promise<Answer> {
  const stream = session.request(
    { ":method": call.method, ":path": call.path },
    { endStream: call.method === "GET" },
  )
  if (call.body !== undefined) stream.end(call.body)
  // only until the answer begins: what is done with a stream after that is its reader's business
  const abort = () => stream.destroy()
  call.signal.addEventListener("abort", abort, { once: true })
  if (call.signal.aborted) abort()
  return new Promise((settle, reject) => {
    const fail = (thrown: unknown) => {
      if (call.signal.aborted) return reject(call.signal.reason)
      reject(
        new Fault("host/unreachable", `the host service did not answer ${call.path}: ${reasonOf(thrown)}`, {
          hint: "`stereo doctor` shows whether it runs; its log is host/host.log in STEREO_HOME",
          cause: thrown,
        }),
      )
    }
    stream.on("error", fail)
    stream.once("close", () => fail("the connection ended"))
    stream.once("response", (headers: IncomingHttpHeaders) => {
      call.signal.removeEventListener("abort", abort)
      settle({ stream, status: Number(headers[constants.HTTP2_HEADER_STATUS]), signal: call.signal })
    })
  })
}

async function parse<Shape extends z.ZodType>(answer: Answer, shape: Shape): Promise<z.infer<Shape>> {
  const parsed = shape.safeParse(parseJson(await readBody(answer)))
  if (parsed.success) return parsed.data
  throw badAnswer(parsed.error.issues[0]?.message ?? "not understood")
}

async function readBody(answer: Answer): Promise<string> {
  if (answer.status < 200 || answer.status > 299) throw await readError(answer)
  return readAnswer(answer.stream, answer.signal)
}

async function readError(answer: Answer): Promise<Fault> {
  const body = await readAnswer(answer.stream, answer.signal)
  const parsed = hostError.safeParse(parseJson(body))
  if (!parsed.success) return badAnswer(`status ${answer.status} with ${JSON.stringify(body.slice(0, 200))}`)
  const { code, message, hint } = parsed.data.error
  return new Fault(code, message, hint === null ? {} : { hint })
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (thrown) {
    return `not JSON: ${reasonOf(thrown)}`
  }
}

function badAnswer(what: string): Fault {
  return new Fault("host/bad-answer", `the host service gave an answer that was not expected: ${what}`, {
    hint: "another version of it may still run; `stereo host stop`, then try again",
  })
}
