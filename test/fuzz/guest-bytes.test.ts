import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Fault } from "../../contract/fault.ts"
import { envelopeBatch } from "../../contract/uplink.ts"
import { parseDnsQuery, renderDnsAnswer } from "../../guest-agent/capture/dns-message.ts"
import { parseTarget } from "../../guest-agent/capture/target.ts"
import { normaliseUsage } from "../../host-proxy/cost/normalise-usage.ts"
import { readHead } from "../../host-proxy/guest/read-head.ts"
import { normaliseRequest } from "../../host-proxy/policy/normalise.ts"
import { readQuestion, readTurn } from "../../host-proxy/transcript/read-turn.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

const bytes = fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array))
/** Text made of what URLs, hosts and their disguises are made of. */
const urlish = fc
  .array(
    fc.oneof(
      fc.constantFrom(..."abcXYZ019.-_:/?#[]@%&=+;, \\\t\0".split("")),
      fc.constantFrom(
        "api.",
        "example.com",
        "127.0.0.1",
        "%2e",
        "%2F",
        "//",
        "..",
        "xn--",
        "①",
        "::1",
        "0x7f",
        "é",
      ),
    ),
    { maxLength: 24 },
  )
  .map((parts) => parts.join(""))

describe("parsers of what a guest sends", { timeout: FUZZ_TIMEOUT_MS }, () => {
  it("DNS: any datagram is answered with its own id and question, or not at all", () =>
    runProperty(
      fc.property(bytes, (message) => {
        const query = parseDnsQuery(message)
        if (query.kind === "ignore") return
        const answer = renderDnsAnswer(query, { code: 0, address: Buffer.alloc(4), ttlSeconds: 1 })
        expect(answer.readUInt16BE(0)).toBe(message.readUInt16BE(0))
        expect(answer.readUInt16BE(2) & 0x8000).toBe(0x8000)
        if (query.kind === "question") expect(answer.includes(query.question)).toBe(true)
        expect(answer.length).toBeLessThan(600)
      }),
    ))

  it("egress: what is let through means the same to the URL parser that the request is made with", () =>
    runProperty(
      fc.property(urlish, urlish, fc.constantFrom("https", "http"), (authority, rest, scheme) => {
        const target = `/${rest}`
        const head = { method: "GET", scheme, authority, target, headers: [], claims: noClaims }
        const normal = normaliseRequest(head)
        if ("refusal" in normal) return
        const { host, port, path } = normal.request
        const url = new URL(`${scheme}://${host}:${port}${target}`)
        expect(url.hostname).toBe(host)
        expect(url.port === "" ? { http: 80, https: 443 }[scheme as "http"] : Number(url.port)).toBe(port)
        expect(url.pathname).toBe(path)
        expect(url.username + url.password).toBe("")
      }),
    ))

  it("egress: any list of headers gives a head or a refusal", () =>
    runProperty(
      fc.property(
        fc.array(fc.oneof(urlish, fc.constantFrom(":path", ":method", ":authority", "host"))),
        (raw) => {
          const read = readHead(raw)
          const normal = "refusal" in read ? read : normaliseRequest(read.head)
          expect("refusal" in normal || normal.request.host.length > 0).toBe(true)
        },
      ),
    ))

  it("capture: a target that the proxy accepts names one host, as Host says", () =>
    runProperty(
      fc.property(
        urlish,
        fc.array(urlish, { maxLength: 3 }),
        fc.constantFrom("origin", "absolute"),
        (url, hosts, form) => {
          const rawHeaders = hosts.flatMap((host) => ["Host", host])
          const target = parseTarget({ url, rawHeaders }, "http", form)
          if ("problem" in target) return
          expect(hosts).toHaveLength(1)
          expect(target.authority).toBe(hosts[0]?.toLowerCase())
          expect(target.path.startsWith("/")).toBe(true)
        },
      ),
    ))

  it("uplink: any JSON is an envelope batch of bounded fields, or is refused", () =>
    runProperty(
      fc.property(fc.json(), (text) => {
        const parsed = envelopeBatch.safeParse(JSON.parse(text))
        if (parsed.success) expect(parsed.data.length).toBeLessThanOrEqual(1000)
      }),
    ))

  it.each(["anthropic-messages", "openai-chat-completions", "openai-responses"] as const)(
    "archive: any body of %s can be read back, with whole and never negative tokens",
    (api) =>
      runProperty(
        fc.property(body, fc.constantFrom("application/json", "text/event-stream"), (content, type) => {
          const stored = { api, headers: [["content-type", type]] as const, body: content }
          readQuestion(stored)
          const usage = normaliseUsage(api, readTurn(stored))
          const counts = usage.parts.flatMap((part) => Object.values(part.buckets))
          expect(counts.filter((count) => !Number.isSafeInteger(count) || count < 0)).toEqual([])
        }),
      ),
  )

  it("archive: a body that does not decode is a fault with a name, not a crash", () =>
    runProperty(
      fc.property(bytes, fc.constantFrom("gzip", "br", "deflate", "zstd", "x"), (content, encoding) => {
        const headers = [["content-encoding", encoding]] as const
        try {
          readTurn({ api: "anthropic-messages", headers, body: content })
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Fault)
        }
      }),
    ))
})

const noClaims = { exchange: null, process: null, sni: null, session: null }
const count = fc.oneof(fc.integer(), fc.double(), fc.constant("7"), fc.constant(null), fc.maxSafeInteger())
const usage = fc.dictionary(
  fc.constantFrom(
    ...["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"],
    ...[
      "prompt_tokens",
      "completion_tokens",
      "cache_creation",
      "prompt_tokens_details",
      "input_tokens_details",
    ],
  ),
  fc.oneof(
    count,
    fc.dictionary(
      fc.constantFrom(
        "cached_tokens",
        "ephemeral_5m_input_tokens",
        "ephemeral_1h_input_tokens",
        "reasoning_tokens",
      ),
      count,
    ),
  ),
)
const event = fc.record(
  {
    type: fc.constantFrom(
      "message_start",
      "message_delta",
      "content_block_start",
      "content_block_delta",
      "response.completed",
    ),
    index: count,
    usage,
    message: fc.record({ usage, model: fc.jsonValue(), content: fc.jsonValue() }, { requiredKeys: [] }),
    response: fc.record({ usage, output: fc.jsonValue() }, { requiredKeys: [] }),
    delta: fc.jsonValue(),
    content_block: fc.jsonValue(),
    choices: fc.jsonValue(),
    content: fc.jsonValue(),
    messages: fc.jsonValue(),
  },
  { requiredKeys: [] },
)
const body = fc.oneof(
  bytes,
  fc.json().map((text) => Buffer.from(text)),
  event.map((one) => Buffer.from(JSON.stringify(one))),
  fc
    .array(event, { maxLength: 6 })
    .map((list) => Buffer.from(list.map((one) => `event: x\ndata: ${JSON.stringify(one)}\n\n`).join(""))),
)
