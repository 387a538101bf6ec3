/** Scripted OpenAI models: Chat Completions and Responses, streamed and whole. */

import { type ModelScript, type ModelStep, stepAfter } from "./model-script.ts"
import type { FakeAnswer } from "./provider.ts"

type Body = Readonly<Record<string, unknown>>

const HELLO: ModelScript = [{ text: "Hello from the fake model." }]

export function answerChat(request: Body, script = HELLO): FakeAnswer {
  const step = chooseStep(request, request["messages"], '"role":"tool"', script)
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
  const calls = step.tool
    ? { tool_calls: [{ index: 0, id: callId(step), type: "function", ...chatCall(step) }] }
    : {}
  const finish = step.tool ? "tool_calls" : "stop"
  if (request["stream"] !== true) {
    const choice = {
      index: 0,
      message: { role: "assistant", content: step.text, refusal: null, ...calls },
      finish_reason: finish,
    }
    return whole({ ...common, object: "chat.completion", choices: [choice], usage })
  }
  const chunk = (delta: unknown, reason: string | null) => ({
    ...common,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: reason }],
  })
  const events: unknown[] = [chunk({ role: "assistant", content: "" }, null)]
  for (const piece of pieces(step)) events.push(chunk({ content: piece }, null))
  if (step.tool) events.push(chunk(calls, null))
  events.push(chunk({}, finish))
  const options = request["stream_options"] as Body | undefined
  if (options?.["include_usage"] === true) {
    events.push({ ...common, object: "chat.completion.chunk", choices: [], usage })
  }
  return stream([...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"])
}

export function answerResponses(request: Body, script = HELLO): FakeAnswer {
  const step = chooseStep(request, request["input"], '"type":"function_call_output"', script)
  const message = {
    id: "msg_fake",
    type: "message",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: step.text, annotations: [] }],
  }
  const call = step.tool
    ? [
        {
          id: `fc_${callId(step)}`,
          type: "function_call",
          call_id: callId(step),
          status: "completed",
          ...namedCall(step),
        },
      ]
    : []
  const response = {
    id: "resp_fake",
    object: "response",
    created_at: 1_790_000_000,
    status: "completed",
    model: request["model"],
    service_tier: "default",
    output: [message, ...call],
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
    ...pieces(step).map((delta): [string, object] => ["response.output_text.delta", { ...place, delta }]),
    ["response.output_text.done", { ...place, text: step.text }],
    ["response.output_item.done", { output_index: 0, item: message }],
    ...call.flatMap((item) => callEvents(item)),
    ["response.completed", { response }],
  ]
  return stream(
    events.map(([type, data], index) => {
      return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: index, ...data })}\n\n`
    }),
  )
}

function callEvents(item: { readonly id: string; readonly arguments: string }): [string, object][] {
  const place = { item_id: item.id, output_index: 1 }
  return [
    [
      "response.output_item.added",
      { output_index: 1, item: { ...item, status: "in_progress", arguments: "" } },
    ],
    ["response.function_call_arguments.delta", { ...place, delta: item.arguments }],
    ["response.function_call_arguments.done", { ...place, arguments: item.arguments }],
    ["response.output_item.done", { output_index: 1, item }],
  ]
}

/** A request that offers no tools (a title, a summary) gets the last word at once. */
function chooseStep(request: Body, turns: unknown, result: string, script: ModelScript): ModelStep {
  const tools = Array.isArray(request["tools"]) ? request["tools"] : []
  const done = JSON.stringify(turns ?? []).split(result).length - 1
  return tools.length === 0 ? { text: script.at(-1)?.text ?? "ok" } : stepAfter(script, done)
}

function callId(step: ModelStep): string {
  return `call_fake_${step.tool?.name}`
}

function namedCall(step: ModelStep) {
  return { name: step.tool?.name, arguments: JSON.stringify(step.tool?.input) }
}

function chatCall(step: ModelStep) {
  return { function: namedCall(step) }
}

/** Word by word, as models stream. */
function pieces(step: ModelStep): readonly string[] {
  return step.text.match(/\S+\s*/g) ?? []
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
