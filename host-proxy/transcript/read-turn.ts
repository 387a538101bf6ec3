/** Reads an archived request or answer of a model API, whichever wire format it is in. */

import type { ProviderApi } from "../../contract/provider-definition.ts"
import type { HeaderList } from "../exchange.ts"
import type { ModelQuestion, ModelTurn } from "../model-turn.ts"
import { readMessagesAnswer, readMessagesQuestion, readMessagesStream } from "./anthropic-messages.ts"
import { decodeBody } from "./decode-body.ts"
import { readGenerateAnswer, readGenerateQuestion, readGenerateStream } from "./google-generate-content.ts"
import { asObject, type Json } from "./json.ts"
import { readChatAnswer, readChatQuestion, readChatStream } from "./openai-chat.ts"
import { readResponsesAnswer, readResponsesQuestion, readResponsesStream } from "./openai-responses.ts"
import { readEvents } from "./read-events.ts"

export interface StoredBody {
  readonly api: ProviderApi
  readonly headers: HeaderList
  /** As it crossed the wire. */
  readonly body: Buffer
}

/** Faults: `transcript/bad-encoding`; a body that is not JSON gives an empty question. */
export function readQuestion(stored: StoredBody): ModelQuestion {
  const body = parseJson(decodeText(stored))
  switch (stored.api) {
    case "anthropic-messages":
      return readMessagesQuestion(body)
    case "openai-chat-completions":
      return readChatQuestion(body)
    case "openai-responses":
      return readResponsesQuestion(body)
    case "google-generate-content":
      return readGenerateQuestion(body)
    default:
      return stored.api satisfies never
  }
}

/** Faults: `transcript/bad-encoding`; what cannot be read gives a turn that is not finished. */
export function readTurn(stored: StoredBody): ModelTurn {
  const text = decodeText(stored)
  const type = headerOf(stored.headers, "content-type") ?? ""
  if (type.includes("text/event-stream")) return readStream(stored.api, text)
  const body = parseJson(text)
  const turn = readWhole(stored.api, body)
  return Object.keys(body).length > 0 ? turn : { ...turn, finished: false }
}

function readWhole(api: ProviderApi, body: Json): ModelTurn {
  switch (api) {
    case "anthropic-messages":
      return readMessagesAnswer(body)
    case "openai-chat-completions":
      return readChatAnswer(body)
    case "openai-responses":
      return readResponsesAnswer(body)
    case "google-generate-content":
      return readGenerateAnswer(body)
    default:
      return api satisfies never
  }
}

function readStream(api: ProviderApi, text: string): ModelTurn {
  const { events, done } = readEvents(text)
  switch (api) {
    case "anthropic-messages":
      return readMessagesStream(events)
    case "openai-chat-completions":
      return readChatStream(events, done)
    case "openai-responses":
      return readResponsesStream(events)
    case "google-generate-content":
      return readGenerateStream(events)
    default:
      return api satisfies never
  }
}

function decodeText(stored: StoredBody): string {
  return decodeBody(stored.body, headerOf(stored.headers, "content-encoding")).toString("utf8")
}

function headerOf(headers: HeaderList, name: string): string | null {
  return headers.find(([one]) => one === name)?.[1] ?? null
}

function parseJson(text: string): Json {
  try {
    return asObject(JSON.parse(text))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return {} // cut short, or not what its path promised
    throw thrown
  }
}
