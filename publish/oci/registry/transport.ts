/** Opens connections to registries, and to where they send one: the only place of publish/oci that does. */

import type { Readable } from "node:stream"
import { type Dispatcher, EnvHttpProxyAgent } from "undici"
import { Fault, reasonOf } from "../../../contract/fault.ts"

export interface TransportOptions {
  /** Registries may be spoken to without TLS, wherever they are. */
  readonly plainHttp: boolean
  /** Of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as the environment has them; "" for none. */
  readonly proxy: { readonly https: string; readonly http: string; readonly except: string }
}

export interface HttpCall {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH"
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | null
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readable
}

export interface Transport extends AsyncDisposable {
  /** One request, no redirect followed; rejects when no whole head of an answer comes. */
  send(call: HttpCall): Promise<HttpAnswer>
  /** Fault `registry/no-tls`: plain HTTP to another machine, unless it was asked for. */
  check(url: URL): void
}

const CONNECT_MS = 15_000
/** Some registries hash a whole blob before they answer its last request. */
const HEADERS_MS = 300_000
/** Between two pieces of an answer. */
const IDLE_MS = 60_000
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

export function openTransport({ plainHttp, proxy }: TransportOptions): Transport {
  const timeouts = { connect: { timeout: CONNECT_MS }, headersTimeout: HEADERS_MS, bodyTimeout: IDLE_MS }
  const agent = new EnvHttpProxyAgent({
    ...timeouts,
    httpsProxy: proxy.https,
    httpProxy: proxy.http,
    // what listens on this machine is not reached by way of another
    noProxy: [proxy.except, "localhost,127.0.0.1,::1,[::1]"].filter((part) => part !== "").join(","),
  })
  const check = (url: URL) => {
    if (url.protocol === "https:") return
    if (url.protocol === "http:" && (plainHttp || isLoopback(url))) return
    throw new Fault("registry/no-tls", `${url.origin} would be spoken to without TLS`, {
      hint: "only a registry on this machine may be; for another one say --plain-http, if you know the network between",
    })
  }
  return {
    check,
    async send({ method, url, headers, body, signal }) {
      check(url)
      const answer = await agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers,
        body,
        signal,
      } satisfies Dispatcher.RequestOptions)
      // whoever reads the body hears of its failure; one that is dropped unread must not end the process
      answer.body.on("error", () => undefined)
      return { status: answer.statusCode, headers: flatten(answer.headers), body: answer.body }
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy()
    },
  }
}

/**
 * Where a registry listens: over TLS, or without it where that is allowed. One on this machine is asked which, as
 * other clients do; one elsewhere is never spoken to without TLS because TLS failed.
 */
export async function findOrigin(
  transport: Transport,
  host: string,
  plainHttp: boolean,
  signal: AbortSignal,
): Promise<URL> {
  const plain = new URL(`http://${host}`)
  const url = new URL(`https://${host}`)
  if (plainHttp) return plain
  if (!isLoopback(url)) return url
  try {
    const answer = await transport.send({
      ...{ method: "GET", url: new URL("/v2/", url), headers: {}, body: null, signal },
    })
    answer.body.destroy()
    return url
  } catch (thrown) {
    signal.throwIfAborted()
    // what is wrong with its certificate is said when it is asked for something
    return /certificate|self.signed/i.test(reasonOf(thrown)) ? url : plain
  }
}

function isLoopback(url: URL): boolean {
  return LOOPBACK.test(url.hostname)
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const pairs = Object.entries(headers).flatMap(([name, value]) => {
    if (value === undefined) return []
    return [[name.toLowerCase(), Array.isArray(value) ? value.join(", ") : value]]
  })
  return Object.fromEntries(pairs)
}
