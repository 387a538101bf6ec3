import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { PriceTable } from "../../../contract/price-table.ts"
import { formatUsd } from "../../../host-proxy/cost/format-usd.ts"
import { normaliseUsage } from "../../../host-proxy/cost/normalise-usage.ts"
import { priceUsage } from "../../../host-proxy/cost/price-usage.ts"
import { readPrices } from "../../../host-proxy/cost/read-prices.ts"
import type { ModelTurn } from "../../../host-proxy/model-turn.ts"
import { readTurn } from "../../../host-proxy/transcript/read-turn.ts"
import { readCassettes } from "../../fakes/cassette.ts"
import { projectDir } from "../../rules/sources.ts"

const PRICES = await readPrices(join(projectDir, "policies/prices"))
const CASSETTES = join(projectDir, "..", "shared", "fixtures", "openai")
const AT = Date.parse("2026-11-23")

function turn(change: Partial<ModelTurn>): ModelTurn {
  return {
    responseId: "x",
    model: "claude-sonnet-4-6",
    stopReason: "end_turn",
    blocks: [],
    usage: {},
    serviceTier: null,
    finished: true,
    error: null,
    ...change,
  }
}

function priceAnthropic(change: Partial<ModelTurn>) {
  const one = turn(change)
  const usage = normaliseUsage("anthropic-messages", one)
  return { usage, ...priceUsage({ provider: "anthropic", model: one.model, usage, atMs: AT }, PRICES) }
}

describe("Anthropic's usage", () => {
  it("keeps its buckets apart and prices each at its own rate", () => {
    const usage = {
      input_tokens: 1000,
      cache_creation_input_tokens: 300,
      cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
      cache_read_input_tokens: 10_000,
      output_tokens: 50,
      output_tokens_details: { thinking_tokens: 40 },
    }
    // 1000 × 3 + 100 × 3.75 + 200 × 6 + 10000 × 0.30 + 50 × 15, in millionths of a dollar
    expect(priceAnthropic({ usage })).toMatchObject({ costNanoUsd: 8_325_000n, unpricedReason: null })
  })

  it("without a split counts cache writes as the 5-minute kind", () => {
    const { usage } = priceAnthropic({
      usage: { input_tokens: 1, cache_creation_input_tokens: 9, output_tokens: 1 },
    })
    expect(usage.parts[0]?.buckets).toMatchObject({ cacheWrite5m: 9, cacheWrite1h: 0 })
  })

  it.each([
    ["nothing", {}],
    ["no tokens at all", { input_tokens: 0, output_tokens: 0 }],
    ["more tokens than there are", { input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 1 }],
  ])("that says %s has no price, and not that of nothing", (_what, usage) => {
    expect(priceAnthropic({ usage }).costNanoUsd).toBeNull()
  })

  it("that does not add up has no price", () => {
    const split = { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 1 }
    const wrong = [
      { input_tokens: 1, cache_creation_input_tokens: 9, cache_creation: split },
      { input_tokens: -5 },
      { input_tokens: 1.5 },
      { input_tokens: "many" },
    ]
    for (const usage of wrong) {
      expect(priceAnthropic({ usage })).toMatchObject({
        costNanoUsd: null,
        unpricedReason: expect.stringContaining("add up"),
      })
    }
  })

  it("of iterations that the top level leaves out is priced one by one, each by its own model", () => {
    const usage = {
      input_tokens: 1000,
      output_tokens: 10,
      iterations: [
        { type: "message", input_tokens: 1000, output_tokens: 10 },
        { type: "compaction", input_tokens: 5000, output_tokens: 100 },
        { type: "advisor_message", model: "claude-opus-4-6", input_tokens: 1000, output_tokens: 10 },
      ],
    }
    const sonnet = 6000n * 3000n + 110n * 15_000n
    const opus = 1000n * 5000n + 10n * 25_000n
    expect(priceAnthropic({ usage }).costNanoUsd).toBe(sonnet + opus)
  })

  it.each([
    ["a priority tier", { serviceTier: "priority" }],
    ["a fast mode", { usage: { input_tokens: 1, speed: "fast" } }],
    ["a web search", { usage: { input_tokens: 1, server_tool_use: { web_search_requests: 2 } } }],
    ["inference bound to a region", { usage: { input_tokens: 1, inference_geo: "us" } }],
    ["a model that is not in the table", { usage: { input_tokens: 1 }, model: "claude-next" }],
    ["a model that merely begins like one", { usage: { input_tokens: 1 }, model: "claude-sonnet-4-60" }],
    ["no usage at all", { usage: null }],
  ] as const)("with %s is unpriced, never zero", (_what, change) => {
    const priced = priceAnthropic({ usage: { input_tokens: 1 }, ...change })
    expect(priced.costNanoUsd).toBe(null)
    expect(priced.unpricedReason).toBeTruthy()
  })

  it("of a cut stream keeps the exact input and marks the output as an estimate", () => {
    const blocks = [{ kind: "text", text: "x".repeat(400) }] as const
    const cut = { finished: false, blocks, usage: { input_tokens: 10, output_tokens: 1 } }
    expect(priceAnthropic(cut).usage).toMatchObject({
      source: "estimated",
      parts: [{ buckets: { input: 10, output: 100 } }],
    })
    expect(priceAnthropic({ ...cut, blocks: [] }).usage).toMatchObject({
      source: "partial",
      parts: [{ buckets: { output: 1 } }],
    })
  })
})

describe("OpenAI's usage", () => {
  it.each([
    {
      prompt_tokens: 120,
      completion_tokens: 30,
      prompt_tokens_details: { cached_tokens: 100 },
      completion_tokens_details: { reasoning_tokens: 10 },
    },
    {
      input_tokens: 120,
      output_tokens: 30,
      input_tokens_details: { cached_tokens: 100 },
      output_tokens_details: { reasoning_tokens: 10 },
    },
  ])("takes what is cached out of the input and never adds reasoning", (usage) => {
    const read = normaliseUsage("openai-responses", turn({ usage }))
    expect(read.parts[0]?.buckets).toMatchObject({ input: 20, cacheRead: 100, output: 30 })
  })

  it.for<[string, string | null]>([
    ["azure-chat-basic", "0.0001088"],
    ["chat-bad-request", null],
    ["chat-basic", "0.0001512"],
    ["chat-detailed-usage", "0.0000406"],
    ["chat-json-mode", "0.00011305"],
    ["chat-multiturn", "0.0002129"],
    ["chat-openai-agents-python", "0.00079335"],
    ["chat-reasoning", "0.00010815"],
    ["chat-streaming", null],
    ["chat-streaming-detailed-usage", "0.0000406"],
    ["chat-streaming-web-search", null],
    ["chat-text-to-audio", null],
    ["chat-tools", "0.0001229"],
    ["chat-web-search", null],
  ])("recorded in %s costs %s USD", ([name, expected], context) => {
    if (!existsSync(CASSETTES)) context.skip(`the recorded exchanges are not at ${CASSETTES}`)
    const cassette = readCassettes(CASSETTES).find((one) => one.name === name)
    if (!cassette) throw new Error(`there is no ${name}`)
    const headers = [["content-type", cassette.contentType]] as const
    const read = readTurn({
      api: "openai-chat-completions",
      headers,
      body: Buffer.from(cassette.responseBody),
    })
    const usage = normaliseUsage("openai-chat-completions", read)
    const priced = priceUsage({ provider: "openai", model: read.model, usage, atMs: AT }, PRICES)
    expect(priced.costNanoUsd === null ? null : formatUsd(priced.costNanoUsd)).toBe(expected)
  })
})

describe("Google's usage", () => {
  const counts = {
    promptTokenCount: 1000,
    cachedContentTokenCount: 600,
    candidatesTokenCount: 50,
    thoughtsTokenCount: 20,
    toolUsePromptTokenCount: 30,
    totalTokenCount: 1100,
  }
  const read = (usage: object) => normaliseUsage("google-generate-content", turn({ usage: { ...usage } }))

  it("takes the cache out of the prompt, adds thoughts to the output and tools' text to the input", () => {
    expect(read(counts)).toMatchObject({
      source: "reported",
      parts: [{ buckets: { input: 430, cacheRead: 600, output: 70 } }],
      unpriceable: [],
    })
  })

  it("has no price when its total says that a part of it is missing", () => {
    expect(read({ ...counts, totalTokenCount: 1101 }).unpriceable).toEqual(["usage that does not add up"])
  })

  it("prices images that are read as text, but neither what is heard nor pictures that are made", () => {
    const details = (key: string, modality: string) =>
      read({ ...counts, [key]: [{ modality, tokenCount: 9 }] }).unpriceable
    expect(details("promptTokensDetails", "IMAGE")).toEqual([])
    expect(details("promptTokensDetails", "AUDIO")).toEqual(["tokens of audio"])
    expect(details("candidatesTokensDetails", "IMAGE")).toEqual(["tokens of image"])
  })

  it("costs what the table says, and nothing is said of a prompt beyond it", () => {
    const price = (usage: object) => {
      const priced = priceUsage(
        { provider: "google", model: "gemini-2.5-pro", usage: read(usage), atMs: AT },
        PRICES,
      )
      return priced.costNanoUsd === null ? null : formatUsd(priced.costNanoUsd)
    }
    // 430 tokens at 1.25 dollars a million, 600 at 0.125, 70 at 10
    expect(price(counts)).toBe("0.0013125")
    expect(price({ promptTokenCount: 200_001, totalTokenCount: 200_001 })).toBeNull()
  })
})

describe("a price table", () => {
  const model = (change: Partial<PriceTable["models"][number]>): PriceTable["models"][number] => ({
    model: "m",
    effective_from: "2026-01-01",
    source: "this test",
    rates: { input: "1", output: "2" },
    ...change,
  })
  const price = (models: PriceTable["models"], atMs: number, input = 1_000_000) => {
    const buckets = { input, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 }
    const usage = { source: "reported", parts: [{ model: null, buckets }], unpriceable: [] } as const
    return priceUsage({ provider: "p", model: "m", usage, atMs }, [{ provider: "p", version: "v7", models }])
  }

  it("prices by the rate of the day, stamped with its version", () => {
    const models = [model({}), model({ effective_from: "2026-06-01", rates: { input: "5", output: "2" } })]
    expect(price(models, Date.parse("2026-05-31T23:59:59Z"))).toMatchObject({
      costNanoUsd: 1_000_000_000n,
      priceVersion: "v7",
    })
    expect(price(models, Date.parse("2026-06-01")).costNanoUsd).toBe(5_000_000_000n)
    expect(price(models, Date.parse("2025-12-31")).costNanoUsd).toBe(null)
  })

  it("keeps a free model's zero apart from no price", () => {
    expect(price([model({ rates: { input: "0", output: "0" } })], AT).costNanoUsd).toBe(0n)
  })

  it("has no price for a prompt beyond the length that its rate holds for", () => {
    expect(price([model({ flat_up_to_tokens: 200_000 })], AT, 200_001).costNanoUsd).toBe(null)
    expect(price([model({ flat_up_to_tokens: 200_000 })], AT, 200_000).costNanoUsd).toBe(200_000_000n)
  })

  it("rounds once, at the end, to a billionth of a dollar", () => {
    expect(price([model({ rates: { input: "0.000499", output: "0" } })], AT, 1000).costNanoUsd).toBe(499n)
    expect(price([model({ rates: { input: "0.000499", output: "0" } })], AT, 1).costNanoUsd).toBe(0n)
    expect(price([model({ rates: { input: "0.0005", output: "0" } })], AT, 1).costNanoUsd).toBe(1n)
  })

  it("names source and day for every rate that the project ships", () => {
    expect(PRICES.flatMap((table) => table.models).every((one) => one.source.length > 10)).toBe(true)
  })
})

describe("formatUsd", () => {
  it.each([
    [0n, "0.00"],
    [1n, "0.000000001"],
    [415_442_550n, "0.41544255"],
    [1_500_000_000n, "1.50"],
    [12_345_678_901_234_567n, "12345678.901234567"],
  ])("%s nano-dollars are %s", (nano, text) => {
    expect(formatUsd(nano)).toBe(text)
  })
})
