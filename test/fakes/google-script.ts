/** A scripted Gemini model: generateContent whole, and streamGenerateContent as server-sent events. */

import { type ModelScript, type ModelStep, stepAfter } from "./model-script.ts"
import type { FakeAnswer } from "./provider.ts"

export interface GenerateQuestion {
  readonly model: string
  readonly stream: boolean
  readonly body: Readonly<Record<string, unknown>>
}

const HELLO: ModelScript = [{ text: "Hello from the fake model." }]

/** A request without tools (a title, a check of the next speaker) gets one short text, or `{}` if it wants JSON. */
export function answerGenerate({ model, stream, body }: GenerateQuestion, script = HELLO): FakeAnswer {
  const done = JSON.stringify(body["contents"] ?? []).split('"functionResponse":').length - 1
  const tools = Array.isArray(body["tools"]) ? body["tools"] : []
  const wantsJson = JSON.stringify(body["generationConfig"] ?? {}).includes("application/json")
  const step = wantsJson ? { text: "{}" } : tools.length === 0 ? { text: "ok" } : stepAfter(script, done)
  const answer = (parts: readonly object[], finishReason: string | null, text: number) => ({
    candidates: [
      { content: { role: "model", parts }, index: 0, ...(finishReason === null ? {} : { finishReason }) },
    ],
    usageMetadata: usageOf(done, text),
    modelVersion: model,
    responseId: `gen_fake${done}`,
  })
  if (!stream) return whole(answer(partsOf(step), "STOP", step.text.length))
  const pieces = step.text.match(/.{1,12}/gs) ?? []
  const events = pieces.map((piece, index) => answer([{ text: piece }], null, 12 * (index + 1)))
  const calls = partsOf(step).filter((part) => "functionCall" in part)
  const last = answer(calls, "STOP", step.text.length)
  return {
    status: 200,
    headers: [["content-type", "text/event-stream; charset=utf-8"]],
    // Google ends its lines as HTTP does
    chunks: [...events, last].map((event) => Buffer.from(`data: ${JSON.stringify(event)}\r\n\r\n`)),
  }
}

function partsOf(step: ModelStep): readonly object[] {
  const call = step.tool ? [{ functionCall: { name: step.tool.name, args: step.tool.input } }] : []
  return [{ text: step.text }, ...call]
}

/** The prompt includes what came from the cache; thoughts stand beside the candidates. */
function usageOf(done: number, text: number): Readonly<Record<string, unknown>> {
  const counts = {
    promptTokenCount: 1200 + 100 * done,
    cachedContentTokenCount: done === 0 ? 0 : 1000,
    candidatesTokenCount: 20 + text,
    thoughtsTokenCount: 7,
  }
  const { promptTokenCount, candidatesTokenCount, thoughtsTokenCount } = counts
  return {
    ...counts,
    totalTokenCount: promptTokenCount + candidatesTokenCount + thoughtsTokenCount,
    promptTokensDetails: [{ modality: "TEXT", tokenCount: promptTokenCount }],
  }
}

function whole(body: unknown): FakeAnswer {
  const bytes = Buffer.from(JSON.stringify(body))
  const headers = [
    ["content-type", "application/json; charset=UTF-8"],
    ["content-length", String(bytes.length)],
  ] as const
  return { status: 200, headers, chunks: [bytes] }
}
