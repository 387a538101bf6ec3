/** Reads OpenAI's Chat Completions API: requests, whole answers and streams. */

import type { Block, ModelQuestion, ModelTurn, ToolResult } from "../model-turn.ts"
import { asList, asObject, asText, type Json } from "./json.ts"
import type { StreamEvent } from "./read-events.ts"

export function readChatQuestion(body: Json): ModelQuestion {
  const messages = asList(body["messages"])
  const toolResults: ToolResult[] = []
  for (const message of messages.toReversed()) {
    if (message["role"] !== "tool") break
    const id = asText(message["tool_call_id"]) ?? ""
    toolResults.unshift({ id, isError: false, text: contentText(message["content"]) })
  }
  const last = messages.at(-1) ?? {}
  const prompt = last["role"] === "tool" ? null : contentText(last["content"])
  return { model: asText(body["model"]), prompt, toolResults }
}

export function readChatAnswer(body: Json): ModelTurn {
  const choice = asList(body["choices"])[0] ?? {}
  const failed = body["error"] !== undefined
  return {
    responseId: asText(body["id"]),
    model: asText(body["model"]),
    stopReason: asText(choice["finish_reason"]),
    blocks: readMessage(asObject(choice["message"])),
    usage: body["usage"] === undefined || body["usage"] === null ? null : asObject(body["usage"]),
    serviceTier: asText(body["service_tier"]),
    finished: !failed,
    error: failed ? describeError(body) : null,
  }
}

/** Folds the chunks of the first choice; usage stands in one last chunk, if it was asked for. */
export function readChatStream(events: readonly StreamEvent[], done: boolean): ModelTurn {
  let body: Json = {}
  let usage: unknown
  let finishReason: unknown
  let text = ""
  let error: string | null = null
  const calls = new Map<unknown, { id: string; name: string; input: string }>()
  for (const { data } of events) {
    if (data["error"] !== undefined) error = describeError(data)
    else body = { ...body, ...data }
    usage = data["usage"] ?? usage
    const choice = asList(data["choices"]).find((one) => one["index"] === 0) ?? {}
    finishReason = choice["finish_reason"] ?? finishReason
    const delta = asObject(choice["delta"])
    text += asText(delta["content"]) ?? ""
    for (const part of asList(delta["tool_calls"])) extendCall(calls, part)
  }
  const message = {
    content: text,
    tool_calls: [...calls.values()].map(({ id, name, input }) => ({
      id,
      function: { name, arguments: input },
    })),
  }
  const whole = { ...body, usage, choices: [{ message, finish_reason: finishReason }] }
  return { ...readChatAnswer(whole), finished: done && error === null, error }
}

function extendCall(calls: Map<unknown, { id: string; name: string; input: string }>, part: Json): void {
  const call = calls.get(part["index"]) ?? { id: "", name: "", input: "" }
  const named = asObject(part["function"])
  calls.set(part["index"], {
    id: call.id || (asText(part["id"]) ?? ""),
    name: call.name || (asText(named["name"]) ?? ""),
    input: call.input + (asText(named["arguments"]) ?? ""),
  })
}

function readMessage(message: Json): Block[] {
  const text = contentText(message["content"])
  const calls = asList(message["tool_calls"]).map((call): Block => {
    const named = asObject(call["function"])
    const [id, name, input] = [asText(call["id"]), asText(named["name"]), asText(named["arguments"])]
    return { kind: "tool-call", id: id ?? "", name: name ?? "", input: input ?? "" }
  })
  const hosted = asList(message["annotations"]).some((one) => one["type"] === "url_citation")
  return [
    ...(text === "" ? [] : [{ kind: "text", text } as const]),
    ...calls,
    ...(hosted ? [{ kind: "hosted-tool", name: "web_search" } as const] : []),
  ]
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content
  return asList(content)
    .map((part) => asText(part["text"]) ?? "")
    .join("\n")
}

function describeError(body: Json): string {
  const error = asObject(body["error"])
  return `${asText(error["code"]) ?? asText(error["type"]) ?? "error"}: ${asText(error["message"]) ?? ""}`
}
