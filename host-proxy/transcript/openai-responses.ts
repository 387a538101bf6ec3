/** Reads OpenAI's Responses API: requests, whole answers and streams. */

import type { Block, ModelQuestion, ModelTurn, ToolResult } from "../model-turn.ts"
import { asList, asObject, asText, type Json } from "./json.ts"
import type { StreamEvent } from "./read-events.ts"

const LAST_EVENTS = ["response.completed", "response.incomplete", "response.failed"]

export function readResponsesQuestion(body: Json): ModelQuestion {
  const model = asText(body["model"])
  if (typeof body["input"] === "string") return { model, prompt: body["input"], toolResults: [] }
  const items = asList(body["input"])
  const toolResults: ToolResult[] = []
  for (const item of items.toReversed()) {
    if (item["type"] !== "function_call_output") break
    toolResults.unshift({
      id: asText(item["call_id"]) ?? "",
      isError: false,
      text: outputText(item["output"]),
    })
  }
  const last = items.at(-1) ?? {}
  return { model, prompt: toolResults.length > 0 ? null : outputText(last["content"]), toolResults }
}

export function readResponsesAnswer(response: Json): ModelTurn {
  const error = asObject(response["error"])
  const failed = Object.keys(error).length > 0
  return {
    responseId: asText(response["id"]),
    model: asText(response["model"]),
    stopReason: asText(response["status"]),
    blocks: asList(response["output"]).flatMap(readItem),
    usage: response["usage"] === undefined || response["usage"] === null ? null : asObject(response["usage"]),
    serviceTier: asText(response["service_tier"]),
    finished: !failed,
    error: failed ? `${asText(error["code"]) ?? "error"}: ${asText(error["message"]) ?? ""}` : null,
  }
}

/** The last event holds the whole; a stream that was cut is put together from the items that were done. */
export function readResponsesStream(events: readonly StreamEvent[]): ModelTurn {
  const last = events.findLast((event) => LAST_EVENTS.includes(event.type))
  if (last) return readResponsesAnswer(asObject(last.data["response"]))
  const begun = asObject(events.find((event) => event.type === "response.created")?.data["response"])
  const output = events
    .filter((event) => event.type === "response.output_item.done")
    .map((event) => event.data["item"])
  const failure = events.find((event) => event.type === "error")
  const error = failure
    ? `${asText(failure.data["code"]) ?? "error"}: ${asText(failure.data["message"]) ?? ""}`
    : null
  return { ...readResponsesAnswer({ ...begun, output }), finished: false, error }
}

function readItem(item: Json): Block[] {
  const type = asText(item["type"]) ?? ""
  if (type === "message") return [{ kind: "text", text: outputText(item["content"]) }]
  if (type === "reasoning") return [{ kind: "thinking", text: outputText(item["summary"]) }]
  if (type === "function_call") {
    const [id, name, input] = [asText(item["call_id"]), asText(item["name"]), asText(item["arguments"])]
    return [{ kind: "tool-call", id: id ?? "", name: name ?? "", input: input ?? "" }]
  }
  return type.endsWith("_call") ? [{ kind: "hosted-tool", name: type.slice(0, -"_call".length) }] : []
}

function outputText(content: unknown): string {
  if (typeof content === "string") return content
  return asList(content)
    .map((part) => asText(part["text"]) ?? asText(part["refusal"]) ?? "")
    .join("\n")
}
