import { once } from "node:events"
import { createInterface } from "node:readline"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { readEgressPolicy } from "../../contract/read-egress-policy.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

const MACHINE = "live"
const HOST = "files.example.com"
const WHY = "the agent reads the fixtures"

let elsewhere: FakeProvider
let home: TestHome

beforeAll(async () => {
  elsewhere = await openFakeProvider()
  home = openTestHome(
    `[[upstream]]\nhost = "${HOST}"\nurl = "${elsewhere.url}"\nwhy = "a fake for this test"\n`,
  )
  await home.must(["up", "--name", MACHINE])
})

afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await elsewhere?.[Symbol.asyncDispose]()
})

/** By CONNECT to the capture proxy; without it nftables redirects, which the client does not notice. */
const BY_PROXY = ["-x", "http://127.0.0.1:3128"]

/** What the agent gets: the body, then the request's status and that of CONNECT. */
async function curl(path: string, ...more: string[]): Promise<string> {
  const command = ["curl", "-sS", "-m", "60", "-w", "\\n%{http_code} %{http_connect}", ...more]
  const ran = await home.stereo(["exec", MACHINE, "--", ...command, `https://${HOST}${path}`])
  return ran.stdout + ran.stderr
}

describe("a host that no rule names, on a real machine", () => {
  it("is held while somebody answers: longer than any client is usually let wait, and then let out", async () => {
    const asking = home.start(["egress", "ask", MACHINE, "--json", "--timeout", "50s"])
    // whatever fails below: nobody answers in the next test
    onTestFinished(() => void asking.kill("SIGKILL"))
    const lines = createInterface({ input: asking.stdout })[Symbol.asyncIterator]()
    const next = async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>
    expect(await next()).toMatchObject({ kind: "asking" })
    const got = curl("/v1/models", ...BY_PROXY)
    const question = await next()
    expect(question).toMatchObject({ host: HOST, method: "GET", path: "/v1/models" })
    expect(String(question["process"])).toContain("curl")
    // longer than the capture proxy waits for an answer to CONNECT, which was not what waited
    await new Promise((resolve) => setTimeout(resolve, 12_000))
    expect(elsewhere.requests).toEqual([])
    asking.stdin.write(`${JSON.stringify({ id: question["id"], answer: "once" })}\n`)
    expect(await got).toMatch(/gpt-5-nano[\s\S]*\n200 200$/)
    expect(elsewhere.requests).toHaveLength(1)
    const ended = once(asking, "close")
    asking.stdin.end()
    expect((await ended)[0]).toBe(0)
  })

  it("is refused without anybody to answer, listed, and drafted into a set that loads", async () => {
    expect(await curl("/v1/models", ...BY_PROXY)).toMatch(/\n000 403/)
    expect(await curl("/v1/models?page=2")).toMatch(/egress\/no-rule[\s\S]*\n403 000$/)
    const denied = await home.json(["egress", "denied", MACHINE])
    expect(denied).toMatchObject([{ host: HOST, port: 443, count: 2, rules: ["egress/no-rule"] }])
    const options = ["--name", "fixtures", "--owner", "data-team", "--why", WHY]
    const draft = await home.must(["egress", "draft", MACHINE, HOST, ...options])
    expect(readEgressPolicy([{ name: "fixtures", text: draft.stdout }])).toMatchObject({
      grants: [{ host: HOST, methods: ["GET"], paths: ["/v1/models"], query: "any" }],
    })
  })

  it("opens with `egress allow`, closes with `egress deny`, and all of it is on record", async () => {
    await home.must(["egress", "allow", MACHINE, HOST, "--why", WHY, "--for", "10m"])
    expect(await curl("/v1/models", ...BY_PROXY)).toMatch(/\n200 200$/)
    expect(await curl("/v1/models")).toMatch(/\n200 000$/)
    await home.must(["egress", "deny", MACHINE, HOST, "--why", "it was seen to lie"])
    expect(await curl("/v1/models")).toMatch(/live\/2[\s\S]*\n403 000$/)
    expect(await home.json(["audit", "--machine", MACHINE])).toMatchObject([
      { action: "ask-answer", detail: `let out once: GET https://${HOST}:443/v1/models` },
      { action: "allow", ruleId: "live/1", why: WHY, forSeconds: 600 },
      { action: "deny", ruleId: "live/2" },
    ])
  })

  it("is as closed as ever in the next run", async () => {
    await home.must(["down", MACHINE])
    await home.must(["up", "--name", MACHINE])
    expect(await curl("/v1/models")).toMatch(/egress\/no-rule[\s\S]*\n403 000$/)
    const audit = await home.json(["audit", "--machine", MACHINE])
    expect(audit).toMatchObject([{}, {}, {}, { action: "run-ended" }, { action: "run-ended" }])
  })
})
