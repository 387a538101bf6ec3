/** Reads Anthropic's Messages API: requests, whole answers and streams. */

import type { Block, ModelQuestion, ModelTurn, ToolResult } from "../model-turn.ts"
import { asList, asObject, asText, type Json } from "./json.ts"
import type { StreamEvent } from "./read-events.ts"

export function readMessagesQuestion(body: Json): ModelQuestion {
  const last = asList(body["messages"]).at(-1) ?? {}
  const content = last["content"]
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : asList(content)
  const texts = blocks.filter((block) => block["type"] === "text").map((block) => asText(block["text"]) ?? "")
  const toolResults = blocks.filter((block) => block["type"] === "tool_result").map(readToolResult)
  return { model: asText(body["model"]), prompt: texts.at(-1) ?? null, toolResults }
}

export function readMessagesAnswer(message: Json): ModelTurn {
  const failed = message["type"] === "error"
  return {
    responseId: asText(message["id"]),
    model: asText(message["model"]),
    stopReason: asText(message["stop_reason"]),
    blocks: asList(message["content"]).flatMap(readBlock),
    usage: message["usage"] === undefined ? null : asObject(message["usage"]),
    serviceTier: asText(asObject(message["usage"])["service_tier"]),
    finished: !failed,
    error: failed ? describeError(message) : null,
  }
}

/** Folds the events into the message that they make; later usage overwrites earlier, field by field. */
export function readMessagesStream(events: readonly StreamEvent[]): ModelTurn {
  let message: Json = {}
  const usage: Record<string, unknown> = {}
  let finished = false
  let error: string | null = null
  const blocks = new Map<unknown, Json>()
  for (const { type, data } of events) {
    if (type === "message_start") message = asObject(data["message"])
    if (type === "content_block_start") blocks.set(data["index"], asObject(data["content_block"]))
    if (type === "content_block_delta") {
      blocks.set(data["index"], extendBlock(blocks.get(data["index"]) ?? {}, asObject(data["delta"])))
    }
    if (type === "message_delta") message = { ...message, ...asObject(data["delta"]) }
    if (type === "message_stop") finished = true
    if (type === "error") error = describeError(data)
    const reported = type === "message_start" ? message["usage"] : data["usage"]
    if (reported !== undefined && reported !== null) Object.assign(usage, asObject(reported))
  }
  const turn = readMessagesAnswer({
    ...message,
    usage: Object.keys(usage).length > 0 ? usage : undefined,
    content: [...blocks.values()],
  })
  return { ...turn, finished: finished && error === null, error }
}

function extendBlock(block: Json, delta: Json): Json {
  const joined = (name: string, more: unknown) => `${asText(block[name]) ?? ""}${asText(more) ?? ""}`
  switch (delta["type"]) {
    case "text_delta":
      return { ...block, text: joined("text", delta["text"]) }
    case "thinking_delta":
      return { ...block, thinking: joined("thinking", delta["thinking"]) }
    case "input_json_delta":
      return { ...block, partialInput: joined("partialInput", delta["partial_json"]) }
    default:
      return block
  }
}

function readBlock(block: Json): Block[] {
  switch (block["type"]) {
    case "text":
      return [{ kind: "text", text: asText(block["text"]) ?? "" }]
    case "thinking":
      return [{ kind: "thinking", text: asText(block["thinking"]) ?? "" }]
    case "tool_use": {
      const input = asText(block["partialInput"]) ?? JSON.stringify(block["input"] ?? {})
      return [{ kind: "tool-call", id: asText(block["id"]) ?? "", name: asText(block["name"]) ?? "", input }]
    }
    case "server_tool_use":
      return [{ kind: "hosted-tool", name: asText(block["name"]) ?? "" }]
    default:
      return []
  }
}

function readToolResult(block: Json): ToolResult {
  const { content } = block
  const parts =
    typeof content === "string" ? [content] : asList(content).map((one) => asText(one["text"]) ?? "")
  return {
    id: asText(block["tool_use_id"]) ?? "",
    isError: block["is_error"] === true,
    text: parts.join("\n"),
  }
}

function describeError(data: Json): string {
  const error = asObject(data["error"])
  return `${asText(error["type"]) ?? "error"}: ${asText(error["message"]) ?? ""}`
}
