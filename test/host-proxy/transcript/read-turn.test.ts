import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { ProviderApi } from "../../../contract/provider-definition.ts"
import { decodeBody } from "../../../host-proxy/transcript/decode-body.ts"
import { readQuestion, readTurn } from "../../../host-proxy/transcript/read-turn.ts"
import { answerMessages } from "../../fakes/anthropic-script.ts"
import { answerGenerate } from "../../fakes/google-script.ts"
import { answerChat, answerResponses } from "../../fakes/openai-script.ts"
import type { FakeAnswer } from "../../fakes/provider.ts"
import { projectDir } from "../../rules/sources.ts"

const FIXTURES = join(projectDir, "..", "shared", "fixtures", "anthropic")

function turnOf(api: ProviderApi, answer: FakeAnswer, chunks = answer.chunks.length) {
  return readTurn({ api, headers: answer.headers, body: Buffer.concat(answer.chunks.slice(0, chunks)) })
}

/** Gemini's model and its way to answer stand in the path. */
function askGemini(body: { readonly model: string; readonly stream?: boolean }) {
  return answerGenerate({ model: body.model, stream: body.stream === true, body }, [LOOK])
}

const LOOK = { text: "I will look.", tool: { name: "run_shell_command", input: { command: "id" } } }

describe("a turn", () => {
  it.each([
    ["anthropic-messages", answerMessages],
    ["openai-chat-completions", answerChat],
    ["openai-responses", answerResponses],
    ["google-generate-content", askGemini],
  ] as const)("of %s reads the same from a stream as from one piece", (api, answer) => {
    const asked = { model: "some-model", messages: [], tools: [{}], stream_options: { include_usage: true } }
    const streamed = turnOf(api, answer({ ...asked, stream: true }))
    const whole = turnOf(api, answer(asked))
    expect(streamed).toEqual(whole)
    expect(whole).toMatchObject({ model: "some-model", finished: true, error: null })
    expect(whole.blocks[0]).toMatchObject({ kind: "text" })
  })

  it.for(["turn_01", "turn_02_tool_use"])("of the recorded pair %s too", (name, context) => {
    if (!existsSync(FIXTURES)) context.skip(`the recorded pairs are not at ${FIXTURES}`)
    const read = (file: string, type: string) =>
      readTurn({
        api: "anthropic-messages",
        headers: [["content-type", type]],
        body: readFileSync(join(FIXTURES, file)),
      })
    const streamed = read(`${name}_stream.sse`, "text/event-stream")
    const whole = read(`${name}_oneshot.json`, "application/json")
    const normal = (turn: typeof whole) => ({
      ...turn,
      blocks: turn.blocks.map((block) =>
        block.kind === "tool-call" ? { ...block, input: JSON.parse(block.input) } : block,
      ),
    })
    expect(normal(streamed)).toEqual(normal(whole))
  })

  it("names tools with their inputs, put together from the stream's pieces", () => {
    const turn = turnOf(
      "anthropic-messages",
      answerMessages({ model: "m", stream: true, messages: [], tools: [{}] }),
    )
    const call = turn.blocks.find((block) => block.kind === "tool-call")
    expect(call).toMatchObject({ name: "Bash" })
    expect(JSON.parse(call?.input ?? "")).toMatchObject({ command: "id && uname -sr && pwd" })
  })

  it("that was cut keeps what had come and is not finished", () => {
    const answer = answerMessages({ model: "m", stream: true, messages: [], tools: [{}] })
    const turn = turnOf("anthropic-messages", answer, 5)
    expect(turn).toMatchObject({ finished: false, stopReason: null, model: "m" })
    expect(turn.usage).toMatchObject({ cache_creation_input_tokens: 2000, output_tokens: 1 })
  })

  it("that fails in the middle of its stream says so", () => {
    const body = Buffer.from(
      'event: message_start\ndata: {"type":"message_start","message":{"id":"x","model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\nevent: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    )
    const turn = readTurn({
      api: "anthropic-messages",
      headers: [["content-type", "text/event-stream"]],
      body,
    })
    expect(turn).toMatchObject({ finished: false, error: "overloaded_error: Overloaded" })
  })

  it.each(["response.completed", "response.incomplete", "response.failed"])(
    "of Responses takes its usage from %s",
    (type) => {
      const error = type === "response.failed" ? { code: "server_error", message: "x" } : null
      const response = { id: "r", model: "m", status: "s", output: [], usage: { input_tokens: 5 }, error }
      const body = Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, response })}\n\n`)
      const turn = readTurn({
        api: "openai-responses",
        headers: [["content-type", "text/event-stream"]],
        body,
      })
      expect(turn.usage).toEqual({ input_tokens: 5 })
      expect(turn.finished).toBe(error === null)
    },
  )

  it("of Gemini keeps thoughts apart, names its tool, and is not finished without the reason of its end", () => {
    const event = (parts: object[], finishReason?: string) => {
      const answer = {
        candidates: [{ content: { parts }, finishReason }],
        modelVersion: "m",
        usageMetadata: {},
      }
      return `data: ${JSON.stringify(answer)}\r\n\r\n`
    }
    const read = (...events: string[]) =>
      readTurn({
        api: "google-generate-content",
        headers: [["content-type", "text/event-stream"]],
        body: Buffer.from(events.join("")),
      })
    const thoughts = event([{ text: "Let me ", thought: true }]) + event([{ text: "think.", thought: true }])
    const call = event([{ text: "Go." }, { functionCall: { name: "look", args: { at: 1 } } }], "STOP")
    expect(read(thoughts, call)).toMatchObject({
      finished: true,
      model: "m",
      blocks: [
        { kind: "thinking", text: "Let me think." },
        { kind: "text", text: "Go." },
        { kind: "tool-call", id: "look", name: "look", input: '{"at":1}' },
      ],
    })
    expect(read(thoughts)).toMatchObject({ finished: false, stopReason: null })
    expect(
      read(event([{ text: "x" }], "STOP"), 'data: {"error":{"status":"INTERNAL","message":"m"}}'),
    ).toMatchObject({
      finished: false,
      error: "INTERNAL: m",
    })
  })

  it("of Gemini that is asked holds what tools answered, or else what the user said", () => {
    const ask = (parts: object[]) =>
      readQuestion({
        api: "google-generate-content",
        headers: [],
        body: Buffer.from(JSON.stringify({ contents: [{ role: "user", parts }] })),
      })
    expect(ask([{ text: "Look." }])).toEqual({ model: null, prompt: "Look.", toolResults: [] })
    const good = { functionResponse: { id: "1", name: "look", response: { output: "seen" } } }
    const bad = { functionResponse: { name: "look", response: { error: "blind" } } }
    expect(ask([good, bad])).toEqual({
      model: null,
      prompt: null,
      toolResults: [
        { id: "1", isError: false, text: "seen" },
        { id: "look", isError: true, text: "blind" },
      ],
    })
  })

  it("can be read from any bytes at all without failing", () => {
    const api = fc.constantFrom<ProviderApi>(
      "anthropic-messages",
      "openai-chat-completions",
      "openai-responses",
      "google-generate-content",
    )
    const type = fc.constantFrom("text/event-stream", "application/json", "")
    const body = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .json()
        .map((text) =>
          Buffer.from(
            `event: message_start\ndata: {"message":${text},"usage":${text},"choices":${text},"response":${text},"candidates":${text}}\n\n`,
          ),
        ),
    )
    fc.assert(
      fc.property(api, type, body, (one, contentType, bytes) => {
        readTurn({ api: one, headers: [["content-type", contentType]], body: bytes })
        readQuestion({ api: one, headers: [], body: bytes })
      }),
      { numRuns: 1500, seed: 11 },
    )
  })
})

describe("decodeBody", () => {
  const text = Buffer.from("data: something worth packing\n\n".repeat(20))
  it.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
    ["zstd", zstdCompressSync],
    ["identity", (bytes: Buffer) => bytes],
  ] as const)("undoes %s, and what was cut as far as it came", (name, encode) => {
    const packed = encode(text)
    expect(decodeBody(packed, name).equals(text)).toBe(true)
    const part = decodeBody(packed.subarray(0, packed.length - 6), name)
    expect(text.subarray(0, part.length).equals(part)).toBe(true)
  })

  it("undoes several in turn", () => {
    expect(decodeBody(brotliCompressSync(gzipSync(text)), "gzip, br").equals(text)).toBe(true)
  })

  it("does not unpack a bomb", () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024))
    expect(() => decodeBody(bomb, "gzip")).toThrow(
      expect.objectContaining({ code: "transcript/bad-encoding" }),
    )
  })
})
