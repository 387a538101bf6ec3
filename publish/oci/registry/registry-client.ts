/** Requests to one registry: authorised, redirected, and tried again as long as that may help. */

import { setTimeout as sleep } from "node:timers/promises"
import { Fault, reasonOf } from "../../../contract/fault.ts"
import type { Authority } from "./authority.ts"
import { describeFailure } from "./read-answer.ts"
import type { HttpAnswer, HttpCall, Transport } from "./transport.ts"

export interface RegistryCall {
  readonly method: HttpCall["method"]
  /** A path under the registry's origin, or a URL that it gave. */
  readonly target: string
  /** What is to be allowed, such as `repository:base:pull`; several are divided by a space. */
  readonly scope: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** The statuses that are answers; every other one is a fault. */
  readonly expect: readonly number[]
  /** False: sent once; what to do when it fails is for whoever asked. */
  readonly again?: boolean
  readonly signal: AbortSignal
}

export interface RegistryClient {
  readonly origin: URL
  /** Faults: `registry/denied`, `registry/refused`, `registry/busy`, `registry/unreachable`, `registry/bad-answer`, `registry/no-tls`. */
  call(call: RegistryCall): Promise<HttpAnswer>
  /** Waits before attempt number `attempt` (from 1) is followed by another. */
  wait(attempt: number, signal: AbortSignal): Promise<void>
}

export const MAX_ATTEMPTS = 6
const MAX_REDIRECTS = 5
const LONGEST_WAIT_MS = 30_000
/** A registry that wants more patience than this is told of. */
const MAX_RETRY_AFTER_MS = 300_000
const BUSY = [408, 429, 500, 502, 503, 504]
const REDIRECTS = [301, 302, 303, 307, 308]

export interface ClientOptions {
  readonly origin: URL
  readonly transport: Transport
  readonly authority: Authority
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The first wait before a request is sent again, in milliseconds. */
  readonly firstWaitMs: number
}

export function openRegistryClient(options: ClientOptions): RegistryClient {
  const { origin } = options
  return {
    origin,
    wait: (attempt, signal) => wait(backoff(options, attempt), signal),
    async call(call) {
      const attempts = call.again === false ? 1 : MAX_ATTEMPTS
      for (let attempt = 1; ; attempt += 1) {
        const outcome = await attemptCall(options, call)
        if (outcome.kind === "answer") return outcome.answer
        if (attempt >= attempts) throw outcome.fault
        const pause = outcome.retryAfterMs ?? backoff(options, attempt)
        if (pause > MAX_RETRY_AFTER_MS) throw outcome.fault
        await wait(pause, call.signal)
      }
    },
  }
}

type Outcome =
  | { readonly kind: "answer"; readonly answer: HttpAnswer }
  | { readonly kind: "busy"; readonly fault: Fault; readonly retryAfterMs: number | null }

async function attemptCall(options: ClientOptions, call: RegistryCall): Promise<Outcome> {
  const url = new URL(call.target, options.origin)
  call.signal.throwIfAborted()
  let answer: HttpAnswer
  try {
    answer = await sendAuthorised(options, call, url)
  } catch (thrown) {
    call.signal.throwIfAborted()
    if (thrown instanceof Fault) throw thrown
    return { kind: "busy", fault: unreachable(url, thrown), retryAfterMs: null }
  }
  if (call.expect.includes(answer.status)) return { kind: "answer", answer }
  const retryAfterMs = readRetryAfter(answer.headers["retry-after"], options.now())
  const fault = await refused(call, url, answer)
  if (BUSY.includes(answer.status)) return { kind: "busy", fault, retryAfterMs }
  throw fault
}

/** At most one new authorisation: a token may have ended, and what is refused twice is refused. */
async function sendAuthorised(options: ClientOptions, call: RegistryCall, url: URL): Promise<HttpAnswer> {
  const { authority } = options
  const { scope, signal } = call
  const shown = authority.header(scope)
  const { answer, from } = await sendFollowing(options, call, url)
  // another host is shown nothing, and names no place to which the registry's credentials go
  if (answer.status !== 401 || from.origin !== options.origin.origin) return answer
  if (!(await authority.meet({ scope, shown, answer }, signal))) return answer
  answer.body.destroy()
  return (await sendFollowing(options, call, url)).answer
}

interface Followed {
  readonly answer: HttpAnswer
  /** Who answered, after all redirects. */
  readonly from: URL
}

/** Only what is read is followed elsewhere: a registry that keeps its blobs in a store of objects. */
async function sendFollowing(options: ClientOptions, call: RegistryCall, first: URL): Promise<Followed> {
  let url = first
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const answer = await sendOnce(options, call, url)
    const location = answer.headers["location"]
    const mayFollow = call.method === "GET" || call.method === "HEAD"
    if (!mayFollow || !REDIRECTS.includes(answer.status) || location === undefined)
      return { answer, from: url }
    answer.body.destroy()
    if (!URL.canParse(location, url.href)) throw badRedirect(url, location)
    const next = new URL(location, url)
    if (url.protocol === "https:" && next.protocol !== "https:") throw badRedirect(url, next.origin)
    url = next
  }
  throw new Fault("registry/bad-answer", `${shown(first)}: more than ${MAX_REDIRECTS} redirects`)
}

function sendOnce(options: ClientOptions, call: RegistryCall, url: URL): Promise<HttpAnswer> {
  // the registry's credentials are for the registry, not for where it sends one
  const authorization = url.origin === options.origin.origin ? options.authority.header(call.scope) : null
  return options.transport.send({
    method: call.method,
    url,
    headers: {
      "user-agent": "stereo",
      ...call.headers,
      ...(authorization === null ? {} : { authorization }),
    },
    body: call.body ?? null,
    signal: call.signal,
  })
}

/** Seconds, or a date; null if there is none that can be read. */
function readRetryAfter(value: string | undefined, nowMs: number): number | null {
  if (value === undefined) return null
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs)
}

/** Full jitter: those that were refused at the same moment do not come back at the same moment. */
function backoff({ firstWaitMs }: ClientOptions, attempt: number): number {
  return Math.random() * Math.min(LONGEST_WAIT_MS, firstWaitMs * 2 ** attempt)
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

async function refused(call: RegistryCall, url: URL, answer: HttpAnswer): Promise<Fault> {
  const words = await describeFailure(answer)
  const message = `${call.method} ${shown(url)}: status ${answer.status}${words === "" ? "" : ` (${words})`}`
  if (answer.status === 401 || answer.status === 403) {
    return new Fault("registry/denied", message, {
      hint: `log in with an account that may: docker login ${url.host}, or skopeo login --authfile ~/.docker/config.json ${url.host}`,
    })
  }
  const wants = answer.headers["retry-after"]
  const hint =
    wants === undefined ? {} : { hint: `the registry asks to try again: Retry-After ${wants.slice(0, 40)}` }
  return new Fault(BUSY.includes(answer.status) ? "registry/busy" : "registry/refused", message, hint)
}

function unreachable(url: URL, cause: unknown): Fault {
  const hint = /self.signed|unable to (?:get|verify)|certificate/i.test(reasonOf(cause))
    ? "for a certificate authority of your own: NODE_EXTRA_CA_CERTS=FILE"
    : "is its name right, and may this host reach it? HTTPS_PROXY and NO_PROXY are heeded"
  return new Fault("registry/unreachable", `${shown(url)}: ${reasonOf(cause) || "the connection ended"}`, {
    hint,
    cause,
  })
}

function badRedirect(from: URL, to: string): Fault {
  return new Fault("registry/bad-answer", `${shown(from)} sends one to ${JSON.stringify(to.slice(0, 200))}`, {
    hint: "from https only https is followed",
  })
}

/** Without the query: it may hold a signature that opens the blob. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`
}
