/** A real HTTP server that plays the model providers: scripts with tool use, streams, replays, and misbehaviour. */

import { createHash } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { answerMessages } from "./anthropic-script.ts"
import { answerGenerate } from "./google-script.ts"
import type { ModelScript, PromptedScript } from "./model-script.ts"
import { answerChat, answerResponses } from "./openai-script.ts"
import type { Replay } from "./replay.ts"

export interface FakeProviderOptions {
  readonly port?: number
  /** What the scripted Anthropic model does; one step a turn. */
  readonly script?: ModelScript
  /** Scripts for the models of any provider, each for the conversations that hold its prompt. */
  readonly scripts?: readonly PromptedScript[]
  /** Recorded turns, found by the sha256 of the request's body; they come before any script. */
  readonly replays?: readonly Replay[]
}

export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  readonly sha256: string
}

/** What is sent back: the head and the chunks, one write each. */
export interface FakeAnswer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly chunks: readonly Buffer[]
}

export interface FakeProvider extends AsyncDisposable {
  readonly url: string
  readonly requests: readonly RecordedRequest[]
  /** How many connections were ever accepted. */
  connections(): number
  /** Resolves when some client has cut its connection before the answer's end. */
  readonly aborted: Promise<void>
}

/**
 * The request header `x-fake` asks for misbehaviour, as `key=value` joined by commas: `cut=N` closes the
 * connection after N chunks, `stall=N` sends nothing more after N chunks, `pace=MS` waits between chunks,
 * `status=N` answers an error, `redirect=URL` a 302, `echo=1` reflects the request's headers, `echo=gzip` does so compressed.
 */
export async function openFakeProvider(options: FakeProviderOptions = {}): Promise<FakeProvider> {
  const requests: RecordedRequest[] = []
  const aborted = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    response.on("close", () => {
      if (!response.writableFinished) aborted.resolve()
    })
    serve(request, response, options, requests).catch((thrown) => {
      response.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)))
    })
  })
  let accepted = 0
  server.on("connection", () => {
    accepted += 1
  })
  server.listen(options.port ?? 0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    connections: () => accepted,
    aborted: aborted.promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: FakeProviderOptions,
  requests: RecordedRequest[],
): Promise<void> {
  const recorded = await record(request)
  requests.push(recorded)
  const wishes = new URLSearchParams(String(recorded.headers["x-fake"] ?? "").replaceAll(",", "&"))
  const answer = await chooseAnswer(recorded, wishes, options)
  for (const [name, value] of answer.headers) response.appendHeader(name, value)
  response.writeHead(answer.status)
  response.flushHeaders()
  const paceMs = Number(wishes.get("pace") ?? 0)
  for (const [index, chunk] of answer.chunks.entries()) {
    if (String(index) === wishes.get("cut")) return void response.destroy()
    if (String(index) === wishes.get("stall")) return
    response.write(chunk)
    await delay(paceMs)
  }
  response.end()
}

async function record(request: IncomingMessage): Promise<RecordedRequest> {
  const parts: Buffer[] = []
  for await (const chunk of request) parts.push(chunk)
  const body = Buffer.concat(parts)
  return {
    method: request.method ?? "",
    path: request.url ?? "",
    headers: request.headers,
    body,
    sha256: createHash("sha256").update(body).digest("hex"),
  }
}

async function chooseAnswer(
  request: RecordedRequest,
  wishes: URLSearchParams,
  options: FakeProviderOptions,
): Promise<FakeAnswer> {
  const replay = options.replays?.find((one) => one.requestSha256 === request.sha256)
  if (replay) return replay.answer
  if (wishes.has("redirect"))
    return { status: 302, headers: [["location", wishes.get("redirect") ?? ""]], chunks: [] }
  if (wishes.has("status")) return jsonAnswer({ error: { type: "fake_error" } }, Number(wishes.get("status")))
  if (wishes.get("echo") === "gzip") return echoGzip(request)
  if (wishes.has("echo")) return jsonAnswer({ headers: request.headers })
  const path = request.path.split("?", 1)[0]
  const asked = `${request.method} ${path}`
  const body = parseBody(request)
  const script = options.scripts?.find(({ prompt }) => request.body.includes(prompt))?.script
  if (asked === "POST /v1/messages") return answerMessages(body, script ?? options.script)
  if (asked === "POST /v1/messages/count_tokens") return jsonAnswer({ input_tokens: 42 })
  if (asked === "POST /v1/chat/completions") return answerChat(body, script)
  if (asked === "POST /v1/responses") return answerResponses(body, script)
  const generate = /^POST \/v1beta\/models\/([\w.-]+):(generateContent|streamGenerateContent)$/.exec(asked)
  if (generate) {
    const question = { model: generate[1] ?? "", stream: generate[2] === "streamGenerateContent" }
    return answerGenerate({ ...question, body }, script)
  }
  if (/^POST \/v1beta\/models\/[\w.-]+:countTokens$/.test(asked)) return jsonAnswer({ totalTokens: 42 })
  if (asked === "GET /v1/models")
    return jsonAnswer({ object: "list", data: [{ id: "gpt-5-nano", object: "model" }] })
  return jsonAnswer({ error: { type: "not_found_error", message: `the fake has no ${asked}` } }, 404)
}

async function echoGzip(request: RecordedRequest): Promise<FakeAnswer> {
  const { gzipSync } = await import("node:zlib")
  const body = gzipSync(JSON.stringify({ headers: request.headers }))
  const middle = Math.floor(body.length / 2)
  const headers = [
    ["content-type", "application/json"],
    ["content-encoding", "gzip"],
  ] as const
  return { status: 200, headers, chunks: [body.subarray(0, middle), body.subarray(middle)] }
}

function parseBody(request: RecordedRequest): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(request.body.toString("utf8"))
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {}
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return {} // answered as an empty question, not by hanging up
    throw thrown
  }
}

function jsonAnswer(body: unknown, status = 200): FakeAnswer {
  const bytes = Buffer.from(JSON.stringify(body))
  const headers = [
    ["content-type", "application/json"],
    ["content-length", String(bytes.length)],
  ] as const
  return { status, headers, chunks: [bytes] }
}
