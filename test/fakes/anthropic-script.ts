/** A scripted Anthropic model: what it says depends only on how many tool results the conversation holds. */

import { type ModelScript, type ModelStep, stepAfter } from "./model-script.ts"
import type { FakeAnswer } from "./provider.ts"

/** Drives Claude Code: a look around, a file, a last word. */
export const DEMO_SCRIPT: ModelScript = [
  {
    text: "I will look at where I am.",
    tool: {
      name: "Bash",
      input: { command: "id && uname -sr && pwd", description: "Show user, kernel and folder" },
    },
  },
  {
    text: "Now I will write the file.",
    tool: {
      name: "Write",
      input: { file_path: "/tmp/hello.txt", content: "Hello from inside the machine.\n" },
    },
  },
  { text: "Done: the file /tmp/hello.txt is written." },
]

interface Turn {
  readonly id: string
  readonly model: string
  readonly step: ModelStep
  readonly usage: Readonly<Record<string, unknown>>
  readonly stopReason: string
}

/** Streams when the request asks for it. A request without tools (a title, a probe) gets one short text. */
export function answerMessages(request: Readonly<Record<string, unknown>>, script = DEMO_SCRIPT): FakeAnswer {
  const messages = Array.isArray(request["messages"]) ? request["messages"] : []
  const tools = Array.isArray(request["tools"]) ? request["tools"] : []
  const done = countToolResults(messages)
  const step = tools.length === 0 ? { text: "ok" } : stepAfter(script, done)
  const turn: Turn = {
    id: `msg_fake${String(done).padStart(4, "0")}${messages.length}`,
    model: String(request["model"]),
    step,
    usage: usageOf(done, step),
    stopReason: step.tool ? "tool_use" : "end_turn",
  }
  return request["stream"] === true ? streamTurn(turn) : wholeTurn(turn)
}

function countToolResults(messages: readonly unknown[]): number {
  const text = JSON.stringify(messages)
  return text.split('"type":"tool_result"').length - 1
}

/** The first turn writes the prompt to the 1-hour cache, later ones read it. */
function usageOf(done: number, step: ModelStep): Readonly<Record<string, unknown>> {
  const written = done === 0 ? 2000 : 150
  return {
    input_tokens: 12 + done,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: done === 0 ? 0 : 2000 + 150 * (done - 1),
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: written },
    output_tokens: 20 + step.text.length,
    service_tier: "standard",
  }
}

function contentOf(turn: Turn): readonly Readonly<Record<string, unknown>>[] {
  const text = { type: "text", text: turn.step.text }
  if (!turn.step.tool) return [text]
  return [text, { type: "tool_use", id: `toolu_${turn.id}`, ...turn.step.tool }]
}

function wholeTurn(turn: Turn): FakeAnswer {
  const message = {
    id: turn.id,
    type: "message",
    role: "assistant",
    model: turn.model,
    content: contentOf(turn),
    stop_reason: turn.stopReason,
    stop_sequence: null,
    usage: turn.usage,
  }
  return {
    status: 200,
    headers: [["content-type", "application/json"]],
    chunks: [Buffer.from(JSON.stringify(message))],
  }
}

function streamTurn(turn: Turn): FakeAnswer {
  const { output_tokens: outputTokens, ...before } = turn.usage
  const start = {
    id: turn.id,
    type: "message",
    role: "assistant",
    model: turn.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...before, output_tokens: 1 },
  }
  const events: [string, unknown][] = [
    ["message_start", { message: start }],
    ["ping", {}],
  ]
  for (const [index, block] of contentOf(turn).entries()) events.push(...blockEvents(index, block))
  events.push([
    "message_delta",
    { delta: { stop_reason: turn.stopReason, stop_sequence: null }, usage: { output_tokens: outputTokens } },
  ])
  events.push(["message_stop", {}])
  const chunks = events.map(([type, data]) =>
    Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...(data as object) })}\n\n`),
  )
  return {
    status: 200,
    headers: [
      ["content-type", "text/event-stream; charset=utf-8"],
      ["cache-control", "no-cache"],
    ],
    chunks,
  }
}

function blockEvents(index: number, block: Readonly<Record<string, unknown>>): [string, unknown][] {
  const isText = block["type"] === "text"
  const opened = isText ? { type: "text", text: "" } : { ...block, input: {} }
  const whole = isText ? String(block["text"]) : JSON.stringify(block["input"])
  const pieces = whole.match(/.{1,12}/gs) ?? []
  const deltas = pieces.map((piece): [string, unknown] => [
    "content_block_delta",
    {
      index,
      delta: isText ? { type: "text_delta", text: piece } : { type: "input_json_delta", partial_json: piece },
    },
  ])
  return [
    ["content_block_start", { index, content_block: opened }],
    ...deltas,
    ["content_block_stop", { index }],
  ]
}
