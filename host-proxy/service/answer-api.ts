/** Answers one request on host.sock. */

import type {
  ClientHttp2Session,
  Http2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from "node:http2"
import { machineName } from "../../contract/card.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { HostError, HostHealth, ReadyReport } from "../../contract/host-api.ts"
import type { AttestationState } from "../../contract/measurement.ts"
import type { Log } from "../exchange.ts"
import { answerEgress, type EgressControl } from "./answer-egress.ts"

export interface ApiOptions {
  readonly health: () => HostHealth
  readonly machines: MachineTable
  readonly stop: () => void
  readonly log: Log
}

/** The machines as this interface needs them. */
export interface MachineTable {
  attach(name: string): Promise<void>
  detach(name: string): Promise<void>
  find(name: string): {
    readonly attestation: {
      whenAttested(signal: AbortSignal): Promise<void>
      report(): AttestationState
    }
    readonly egress: EgressControl
    readonly control: {
      ready(signal: AbortSignal): Promise<ReadyReport>
      session(): ClientHttp2Session | null
    }
  } | null
}

type Headers = Readonly<Record<string, unknown>>
const MACHINE =
  /^\/machines\/([^/?]+)\/(attach|detach|ready|agent|control|attestation|egress|reload)(\/.*|\?.*)?$/
const MAX_READY_MS = 600_000
const GUEST_GRACE_MS = 5_000

export async function answerApi(stream: ServerHttp2Stream, headers: Headers, api: ApiOptions): Promise<void> {
  const method = String(headers[":method"])
  const path = String(headers[":path"])
  try {
    if (method === "GET" && path === "/health") return answerJson(stream, 200, api.health())
    if (method === "POST" && path === "/stop") return stopAfter(stream, api)
    await answerMachine({ stream, headers, method, path, machines: api.machines })
  } catch (thrown) {
    answerError(stream, thrown)
  }
}

interface MachineRequest {
  readonly stream: ServerHttp2Stream
  readonly headers: Headers
  readonly method: string
  readonly path: string
  readonly machines: MachineTable
}

async function answerMachine(request: MachineRequest): Promise<void> {
  const parts = MACHINE.exec(request.path)
  const name = machineName.safeParse(parts?.[1]).data
  if (!parts || name === undefined) {
    throw new Fault("host/unknown-request", `there is no ${request.method} ${request.path.slice(0, 200)}`)
  }
  const rest = parts[3] ?? ""
  if (parts[2] === "egress" || parts[2] === "reload") {
    const asked = { ...request, name, path: `/${parts[2]}${parts[3] ?? ""}` }
    return answerEgress(asked, findMachine(request, name).egress)
  }
  const asked = parts[2] === "control" ? "control" : `${request.method} ${parts[2]}`
  switch (asked) {
    case "POST attach":
      await request.machines.attach(name)
      return answerEmpty(request.stream, 204)
    case "POST detach":
      await request.machines.detach(name)
      return answerEmpty(request.stream, 204)
    case "GET ready":
    case "GET agent":
      return answerReady(request, name, rest, parts[2] === "ready")
    case "GET attestation":
      return answerJson(request.stream, 200, findMachine(request, name).attestation.report())
    case "control":
      return relayControl(request, name, rest)
    default:
      throw new Fault("host/unknown-request", `there is no ${request.method} ${request.path.slice(0, 200)}`)
  }
}

/** Without `attested`, as soon as the guest agent answers: whoever looks into a closed machine needs no more. */
async function answerReady(
  request: MachineRequest,
  name: string,
  query: string,
  attested: boolean,
): Promise<void> {
  const asked = Number(new URLSearchParams(query.replace(/^\?/, "")).get("timeout_ms") ?? 60_000)
  const timeoutMs = Number.isFinite(asked) ? Math.min(Math.max(asked, 1), MAX_READY_MS) : MAX_READY_MS
  const gone = new AbortController()
  request.stream.once("close", () => gone.abort())
  const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(timeoutMs)])
  try {
    const { control, attestation } = findMachine(request, name)
    const [report] = await Promise.all([
      control.ready(signal),
      attested ? attestation.whenAttested(signal) : null,
    ])
    answerJson(request.stream, 200, report)
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    const after = `${(timeoutMs / 1000).toFixed(1)} s`
    throw new Fault("host/not-ready", `${name} is not ready after ${after}: ${reasonOf(thrown)}`, {
      hint: `stereo logs ${name} shows how far its console came`,
    })
  }
}

/** Both bodies are streamed; a reset of one side resets the other. */
async function relayControl(request: MachineRequest, name: string, path: string): Promise<void> {
  const session = await awaitGuest(request, name)
  const { stream } = request
  if (stream.closed) return
  const kept = Object.entries(request.headers).filter(([key]) => !key.startsWith(":"))
  const guest = session.request(
    { ...Object.fromEntries(kept), ":method": request.method, ":path": path } as OutgoingHttpHeaders,
    { endStream: stream.endAfterHeaders },
  )
  guest.on("response", (answer) => answerAsGuest(stream, guest, answer))
  passOn(guest, stream)
  if (!stream.endAfterHeaders) passOn(stream, guest)
}

/** The guest chooses when and what it answers: thrown out of an event, its oddity would end the service. */
function answerAsGuest(stream: ServerHttp2Stream, guest: Http2Stream, answer: IncomingHttpHeaders): void {
  try {
    stream.respond(answer)
  } catch (thrown) {
    const why = new Error(`the guest's answer cannot be passed on: ${reasonOf(thrown)}`)
    stream.destroy(why)
    guest.destroy()
  }
}

/** A guest whose wire is just being taken up again, after a restart of this service or its own, is waited for. */
async function awaitGuest(request: MachineRequest, name: string): Promise<ClientHttp2Session> {
  const { control } = findMachine(request, name)
  const signal = AbortSignal.timeout(GUEST_GRACE_MS)
  const waited = control.session() ? null : await control.ready(signal).catch(reasonOf)
  const session = control.session()
  if (session && !session.destroyed) return session
  const why = typeof waited === "string" ? `: ${waited}` : ""
  throw new Fault("host/no-guest", `the guest agent of ${name} does not answer${why}`, {
    hint: `stereo logs ${name} shows its console`,
  })
}

/** Bytes, their end, and a reset; a side that closed early costs the other nothing but the bytes for it. */
function passOn(from: Http2Stream, to: Http2Stream): void {
  from.pipe(to)
  // not close(code): it may send END_STREAM first, and what was cut would look whole
  const cut = () => to.destroy(new Error("the other side was reset"))
  from.on("error", cut)
  from.on("aborted", cut)
  to.on("close", () => {
    from.unpipe(to)
    from.resume()
  })
}

function findMachine(request: MachineRequest, name: string): NonNullable<ReturnType<MachineTable["find"]>> {
  const machine = request.machines.find(name)
  if (machine) return machine
  throw new Fault("host/no-machine", `the host service does not serve a machine called ${name}`, {
    hint: "stereo ls shows the machines; POST /machines/NAME/attach adds one",
  })
}

function stopAfter(stream: ServerHttp2Stream, api: ApiOptions): void {
  stream.once("close", () => api.stop())
  answerEmpty(stream, 202)
}

const STATUS: Readonly<Record<string, number>> = {
  "host/unknown-request": 404,
  "host/no-machine": 404,
  "host/not-ready": 504,
  "host/no-guest": 503,
  "host/not-attested": 409,
  "host/bad-request": 400,
  "egress/bad-rule": 400,
  "egress/unknown-rule": 404,
  "ask/already": 409,
}

function answerError(stream: ServerHttp2Stream, thrown: unknown): void {
  const fault = thrown instanceof Fault ? thrown : null
  const code = fault?.code ?? "host/unexpected"
  const body: HostError = { error: { code, message: reasonOf(thrown), hint: fault?.hint ?? null } }
  answerJson(stream, STATUS[code] ?? 500, body)
}

function answerJson(stream: ServerHttp2Stream, status: number, body: unknown): void {
  if (stream.headersSent || stream.closed) return
  stream.respond({ ":status": status, "content-type": "application/json" })
  stream.end(`${JSON.stringify(body)}\n`)
  stream.resume()
}

function answerEmpty(stream: ServerHttp2Stream, status: number): void {
  if (stream.closed) return
  stream.respond({ ":status": status }, { endStream: true })
  stream.resume()
}
