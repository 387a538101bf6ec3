/** Reads Google's Gemini API (generateContent): requests, whole answers and streams of server-sent events. */

import type { Block, ModelQuestion, ModelTurn, ToolResult } from "../model-turn.ts"
import { asList, asObject, asText, type Json } from "./json.ts"
import type { StreamEvent } from "./read-events.ts"

/** The model stands in the path, not in the body. */
export function readGenerateQuestion(body: Json): ModelQuestion {
  const last = asList(body["contents"]).at(-1) ?? {}
  const parts = asList(last["parts"])
  const toolResults = parts.flatMap((part): ToolResult[] => {
    const answer = asObject(part["functionResponse"])
    const name = asText(answer["name"])
    if (name === null) return []
    const response = asObject(answer["response"])
    const isError = response["error"] !== undefined
    const text = asText(response[isError ? "error" : "output"]) ?? JSON.stringify(response)
    return [{ id: asText(answer["id"]) ?? name, isError, text }]
  })
  const prompt = toolResults.length > 0 ? null : textOf(parts)
  return { model: null, prompt, toolResults }
}

export function readGenerateAnswer(body: Json): ModelTurn {
  const candidate = asList(body["candidates"])[0] ?? {}
  const stopReason =
    asText(candidate["finishReason"]) ?? asText(asObject(body["promptFeedback"])["blockReason"])
  const error = readError(body)
  const usage = body["usageMetadata"]
  const grounded = candidate["groundingMetadata"] !== undefined
  return {
    responseId: asText(body["responseId"]),
    model: asText(body["modelVersion"]),
    stopReason,
    blocks: [
      ...asList(asObject(candidate["content"])["parts"]).flatMap(readPart),
      ...(grounded ? [{ kind: "hosted-tool", name: "google_search" } as const] : []),
    ],
    usage: usage === undefined || usage === null ? null : asObject(usage),
    serviceTier: asText(asObject(usage)["serviceTier"])?.toLowerCase() ?? null,
    finished: stopReason !== null && error === null,
    error,
  }
}

/** Each event is an answer of its own with a piece of the text; its counts are sums so far, so the last ones hold. */
export function readGenerateStream(events: readonly StreamEvent[]): ModelTurn {
  let body: Json = {}
  let candidate: Json = {}
  const parts: Json[] = []
  for (const { data } of events) {
    body = { ...body, ...data }
    const piece = asList(data["candidates"]).find((one) => (one["index"] ?? 0) === 0) ?? {}
    candidate = { ...candidate, ...piece }
    for (const part of asList(asObject(piece["content"])["parts"])) addPart(parts, part)
  }
  return readGenerateAnswer({ ...body, candidates: [{ ...candidate, content: { parts } }] })
}

/** Text of the same kind goes on where it stopped. */
function addPart(parts: Json[], part: Json): void {
  const before = parts.at(-1)
  const [text, begun] = [asText(part["text"]), asText(before?.["text"])]
  const same = (before?.["thought"] === true) === (part["thought"] === true)
  if (text !== null && begun !== null && same) parts[parts.length - 1] = { ...before, text: begun + text }
  else parts.push(part)
}

function readPart(part: Json): Block[] {
  const call = asObject(part["functionCall"])
  const name = asText(call["name"])
  if (name !== null) {
    const input = JSON.stringify(call["args"] ?? {})
    return [{ kind: "tool-call", id: asText(call["id"]) ?? name, name, input }]
  }
  if (part["executableCode"] !== undefined) return [{ kind: "hosted-tool", name: "code_execution" }]
  const text = asText(part["text"])
  if (text === null || text === "") return []
  return [{ kind: part["thought"] === true ? "thinking" : "text", text }]
}

function textOf(parts: readonly Json[]): string {
  return parts.map((part) => asText(part["text"]) ?? "").join("\n")
}

function readError(body: Json): string | null {
  if (body["error"] === undefined) return null
  const error = asObject(body["error"])
  return `${asText(error["status"]) ?? "error"}: ${asText(error["message"]) ?? ""}`
}
