/** Turns a provider's usage object into disjoint token buckets, and says what in it has no bucket. */

import type { ProviderApi } from "../../contract/provider-definition.ts"
import type { ModelTurn } from "../model-turn.ts"

/** Tokens that do not overlap: their sum is all that was billed. */
export interface Buckets {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly output: number
}

/** Buckets that one model's rates price; most answers have one part, Anthropic's iterations may have more. */
export interface UsagePart {
  /** Null: the response's model. */
  readonly model: string | null
  readonly buckets: Buckets
}

export interface Usage {
  readonly source: "reported" | "partial" | "estimated" | "none"
  readonly parts: readonly UsagePart[]
  /** What was used beside plain tokens, or does not add up: with it the exchange has no price. */
  readonly unpriceable: readonly string[]
}

type Json = Readonly<Record<string, unknown>>

export const NO_TOKENS: Buckets = { input: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 }
/** About what a token of English text or code takes; only for streams that were cut. */
const BYTES_PER_TOKEN = 4
/** Far above any model's context; a larger number is none of tokens, and its price would leave the row's range. */
const MAX_TOKENS = 1_000_000_000

export function normaliseUsage(api: ProviderApi, turn: ModelTurn): Usage {
  if (!turn.usage) return { source: "none", parts: [], unpriceable: [] }
  const read = readUsage(api, turn.usage)
  const tier = turn.serviceTier
  const plain = tier === null || tier === "standard" || tier === "default"
  const hosted = turn.blocks.flatMap((block) =>
    block.kind === "hosted-tool" ? [`hosted tool ${block.name}`] : [],
  )
  const unpriceable = [...read.unpriceable, ...hosted, ...(plain ? [] : [`service tier ${tier}`])]
  if (read.parts.some(({ buckets }) => !Object.values(buckets).every(isCount))) {
    // the provider's own object stays in the record; sums are not made of what is no number of tokens
    const source = turn.finished ? "reported" : "partial"
    return { source, parts: [], unpriceable: [...unpriceable, "usage that does not add up"] }
  }
  if (turn.finished && isEmpty(read.parts)) unpriceable.push("usage without a token")
  if (turn.finished) return { source: "reported", parts: read.parts, unpriceable }
  return { ...estimateOutput(read.parts, turn), unpriceable }
}

/** A cut stream has reported its input exactly and its output hardly: the text seen is a lower bound. */
function estimateOutput(parts: readonly UsagePart[], turn: ModelTurn): Pick<Usage, "source" | "parts"> {
  const first = parts[0]
  const seen = turn.blocks.map((block) => {
    if (block.kind === "tool-call") return block.name + block.input
    return block.kind === "hosted-tool" ? "" : block.text
  })
  const estimate = Math.ceil(Buffer.byteLength(seen.join("")) / BYTES_PER_TOKEN)
  if (!first || parts.length > 1 || estimate <= first.buckets.output) return { source: "partial", parts }
  return { source: "estimated", parts: [{ ...first, buckets: { ...first.buckets, output: estimate } }] }
}

interface ReadUsage {
  readonly parts: readonly UsagePart[]
  readonly unpriceable: readonly string[]
}

function readUsage(api: ProviderApi, usage: Json): ReadUsage {
  switch (api) {
    case "anthropic-messages":
      return readAnthropic(usage)
    case "openai-chat-completions":
    case "openai-responses":
      return readOpenai(usage)
    case "google-generate-content":
      return readGoogle(usage)
    default:
      return api satisfies never
  }
}

function readAnthropic(usage: Json): ReadUsage {
  const iterations = listOf(usage["iterations"])
  // the top-level counts leave out what is not a message, such as a compaction or an advisor
  const apart = iterations.some((one) => one["type"] !== "message")
  const parts = apart ? iterations.map(readAnthropicPart) : [readAnthropicPart(usage)]
  const unpriceable: string[] = []
  const speed = usage["speed"]
  if (typeof speed === "string" && speed !== "standard") unpriceable.push(`speed ${speed}`)
  const geo = usage["inference_geo"]
  if (typeof geo === "string" && geo !== "not_available" && geo !== "global")
    unpriceable.push(`inference in ${geo}`)
  for (const [name, value] of Object.entries(objectOf(usage["server_tool_use"]))) {
    if (countOf(value) !== 0) unpriceable.push(`server tool ${name}`)
  }
  return { parts, unpriceable }
}

function readAnthropicPart(usage: Json): UsagePart {
  const written = countOf(usage["cache_creation_input_tokens"])
  const split = objectOf(usage["cache_creation"])
  const cacheWrite1h = countOf(split["ephemeral_1h_input_tokens"])
  // without a split all of it is the 5-minute kind; a split that does not sum up leaves no count
  const stated = countOf(split["ephemeral_5m_input_tokens"])
  const cacheWrite5m =
    written === cacheWrite1h + stated
      ? stated
      : split["ephemeral_5m_input_tokens"] === undefined
        ? written - cacheWrite1h
        : Number.NaN
  return {
    model: typeof usage["model"] === "string" ? usage["model"] : null,
    buckets: {
      input: countOf(usage["input_tokens"]),
      cacheRead: countOf(usage["cache_read_input_tokens"]),
      cacheWrite5m,
      cacheWrite1h,
      output: countOf(usage["output_tokens"]),
    },
  }
}

/** Chat Completions and Responses: the same sums under two sets of names, all of them inclusive. */
function readOpenai(usage: Json): ReadUsage {
  const before = objectOf(usage["prompt_tokens_details"] ?? usage["input_tokens_details"])
  const after = objectOf(usage["completion_tokens_details"] ?? usage["output_tokens_details"])
  const cacheRead = countOf(before["cached_tokens"])
  const input = countOf(usage["prompt_tokens"] ?? usage["input_tokens"]) - cacheRead
  const output = countOf(usage["completion_tokens"] ?? usage["output_tokens"])
  const kinds: [string, unknown][] = [
    ["audio input", before["audio_tokens"]],
    ["cache writes", before["cache_write_tokens"]],
    ["audio output", after["audio_tokens"]],
  ]
  const unpriceable = kinds.filter(([, count]) => countOf(count) !== 0).map(([name]) => `tokens of ${name}`)
  return { parts: [{ model: null, buckets: { ...NO_TOKENS, input, cacheRead, output } }], unpriceable }
}

/**
 * Gemini's counts: the prompt holds what came from the cache, the candidates leave out the thoughts, and what tools of
 * the provider's put in front of the model is input besides. The total is their sum, and says when one is missing.
 */
function readGoogle(usage: Json): ReadUsage {
  const prompt = countOf(usage["promptTokenCount"])
  const cacheRead = countOf(usage["cachedContentTokenCount"])
  const toolPrompt = countOf(usage["toolUsePromptTokenCount"])
  const output = countOf(usage["candidatesTokenCount"]) + countOf(usage["thoughtsTokenCount"])
  const total = countOf(usage["totalTokenCount"])
  const input = total === prompt + toolPrompt + output ? prompt - cacheRead + toolPrompt : Number.NaN
  const details = [
    "promptTokensDetails",
    "cacheTokensDetails",
    "candidatesTokensDetails",
    "toolUsePromptTokensDetails",
  ]
  // images and documents cost as text does where they are read, not where they are made
  const unpriceable = details.flatMap((key) =>
    listOf(usage[key]).flatMap(({ modality, tokenCount }) => {
      const plain = modality === "TEXT" || (key !== "candidatesTokensDetails" && modality !== "AUDIO")
      return plain || countOf(tokenCount) === 0 ? [] : [`tokens of ${String(modality).toLowerCase()}`]
    }),
  )
  return { parts: [{ model: null, buckets: { ...NO_TOKENS, input, cacheRead, output } }], unpriceable }
}

/** Not a number where no count is said: whatever is computed from it is none either. */
function countOf(value: unknown): number {
  if (value === undefined || value === null) return 0
  return isCount(value) ? value : Number.NaN
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= MAX_TOKENS
}

/** An object that says nothing is not the same as a call that cost nothing. */
function isEmpty(parts: readonly UsagePart[]): boolean {
  return parts.every(({ buckets }) => Object.values(buckets).every((count) => count === 0))
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {}
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(objectOf) : []
}
