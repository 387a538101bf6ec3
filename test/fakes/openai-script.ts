/** Scripted OpenAI models: Chat Completions and Responses, streamed and whole. */

import type { FakeAnswer } from "./provider.ts"

type Body = Readonly<Record<string, unknown>>

const TEXT = "Hello from the fake model."
const PIECES = ["Hello ", "from ", "the ", "fake ", "model."]

export function answerChat(request: Body): FakeAnswer {
  const usage = {
    prompt_tokens: 120,
    completion_tokens: 30,
    total_tokens: 150,
    prompt_tokens_details: { cached_tokens: 100, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 0 },
  }
  const common = {
    id: "chatcmpl-fake",
    created: 1_790_000_000,
    model: request["model"],
    service_tier: "default",
  }
  if (request["stream"] !== true) {
    const choice = {
      index: 0,
      message: { role: "assistant", content: TEXT, refusal: null },
      finish_reason: "stop",
    }
    return whole({ ...common, object: "chat.completion", choices: [choice], usage })
  }
  const chunk = (delta: unknown, finish: string | null) => ({
    ...common,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: finish }],
  })
  const events: unknown[] = [chunk({ role: "assistant", content: "" }, null)]
  for (const piece of PIECES) events.push(chunk({ content: piece }, null))
  events.push(chunk({}, "stop"))
  const options = request["stream_options"] as Body | undefined
  if (options?.["include_usage"] === true) {
    events.push({ ...common, object: "chat.completion.chunk", choices: [], usage })
  }
  return stream([...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"])
}

export function answerResponses(request: Body): FakeAnswer {
  const message = {
    id: "msg_fake",
    type: "message",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: TEXT, annotations: [] }],
  }
  const response = {
    id: "resp_fake",
    object: "response",
    created_at: 1_790_000_000,
    status: "completed",
    model: request["model"],
    service_tier: "default",
    output: [message],
    usage: {
      input_tokens: 120,
      input_tokens_details: { cached_tokens: 100 },
      output_tokens: 30,
      output_tokens_details: { reasoning_tokens: 10 },
      total_tokens: 150,
    },
  }
  if (request["stream"] !== true) return whole(response)
  const place = { item_id: message.id, output_index: 0, content_index: 0 }
  const events: [string, object][] = [
    ["response.created", { response: { ...response, status: "in_progress", output: [], usage: null } }],
    [
      "response.output_item.added",
      { output_index: 0, item: { ...message, status: "in_progress", content: [] } },
    ],
    ["response.content_part.added", { ...place, part: { type: "output_text", text: "", annotations: [] } }],
    ...PIECES.map((delta): [string, object] => ["response.output_text.delta", { ...place, delta }]),
    ["response.output_text.done", { ...place, text: TEXT }],
    ["response.output_item.done", { output_index: 0, item: message }],
    ["response.completed", { response }],
  ]
  return stream(
    events.map(([type, data], index) => {
      return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: index, ...data })}\n\n`
    }),
  )
}

function whole(body: unknown): FakeAnswer {
  const bytes = Buffer.from(JSON.stringify(body))
  return {
    status: 200,
    headers: [
      ["content-type", "application/json"],
      ["content-length", String(bytes.length)],
    ],
    chunks: [bytes],
  }
}

function stream(events: readonly string[]): FakeAnswer {
  const chunks = events.map((event) => Buffer.from(event))
  return { status: 200, headers: [["content-type", "text/event-stream; charset=utf-8"]], chunks }
}
