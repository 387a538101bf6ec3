import { once } from "node:events"
import { createInterface, type Interface } from "node:readline"
import type { Duplex } from "node:stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type AskAnswer, type AskEvent, type AskQuestion, askEvent } from "../../contract/host-egress-api.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { type HostClient, openHostClient } from "../../machine/host-client.ts"
import type { GuestAnswer } from "../fakes/guest.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { eventually, type Lab, openLab } from "./lab.ts"

const HOST = "files.example.com"
const WHY = "the agent needs a file in this test"
const signal = AbortSignal.timeout(120_000)
const read = {
  method: "GET",
  authority: HOST,
  path: "/data?v=1",
  headers: { "stereo-process": "7 /bin/curl" },
}

let elsewhere: FakeProvider
beforeEach(async () => {
  elsewhere = await openFakeProvider()
})
afterEach(() => elsewhere[Symbol.asyncDispose]())

/** Who answers in these tests. */
class Person implements Disposable {
  readonly events: AskEvent[] = []
  readonly stream: Duplex
  readonly #lines: Interface

  constructor(stream: Duplex) {
    this.stream = stream
    stream.on("error", () => stream.destroy())
    this.#lines = createInterface({ input: stream })
    this.#lines.on("line", (line) => this.events.push(askEvent.parse(JSON.parse(line))))
  }

  questions(count: number): Promise<readonly AskQuestion[]> {
    return eventually(() => {
      const found = this.events.filter((event) => event.kind === "question")
      return found.length >= count ? found : null
    })
  }

  async question(): Promise<AskQuestion> {
    const [first] = await this.questions(1)
    if (!first) throw new Error("no question came")
    return first
  }

  event<Kind extends AskEvent["kind"]>(kind: Kind): Promise<Extract<AskEvent, { kind: Kind }>> {
    return eventually(() => {
      const found = this.events.find((event) => event.kind === kind)
      return (found as Extract<AskEvent, { kind: Kind }> | undefined) ?? null // by its kind
    })
  }

  answer(answer: Partial<AskAnswer> & { readonly id: number }): void {
    this.stream.write(`${JSON.stringify(answer)}\n`)
  }

  [Symbol.dispose](): void {
    this.#lines.close()
    this.stream.destroy()
  }
}

async function askOn(host: HostClient, timeoutMs = 60_000): Promise<Person> {
  return new Person(await host.openAsk("lab", { timeoutMs, claimedUser: "alice" }, signal))
}

async function openAsking(timeoutMs?: number) {
  const hostConfig = `[[upstream]]\nhost = "${HOST}"\nurl = "${elsewhere.url}"\nwhy = "a fake for this test"`
  const stack = new AsyncDisposableStack()
  const lab = stack.use(await openLab({ files: { hostConfig } }))
  const host = stack.use(openHostClient(lab.files.home.hostSocket))
  const person = stack.use(await askOn(host, timeoutMs))
  return { lab, host, person, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function verdictOf(answer: GuestAnswer): unknown {
  return answer.headers["stereo-verdict"]
}

async function auditOf(lab: Lab) {
  await using reader = openReader(lab.files.home.archive)
  return (await reader?.audit()) ?? []
}

describe("a request that no rule speaks of, while a person answers", () => {
  it("is held, shown as it is, and let out once", async () => {
    await using asking = await openAsking()
    const { lab, person, host } = asking
    expect((await host.egress("lab", signal)).mode).toBe("ask")
    const held = lab.guest.send(read)
    const question = await person.question()
    expect(question).toMatchObject({
      ...{ scheme: "https", host: HOST, port: 443, method: "GET", path: "/data?v=1", process: "7 /bin/curl" },
      wouldOpen: { methods: ["GET", "HEAD"], paths: ["/**"] },
    })
    expect(elsewhere.requests).toEqual([])
    person.answer({ id: question.id, answer: "once" })
    expect(verdictOf(await held)).toBeUndefined()
    expect(elsewhere.requests).toMatchObject([{ method: "GET", path: "/data?v=1" }])
    expect((await lab.rows())[0]).toMatchObject({ rule: "live/once", outcome: "complete" })
    expect(await auditOf(lab)).toMatchObject([
      {
        action: "ask-answer",
        claimed_user: "alice",
        detail: `let out once: GET https://${HOST}:443/data?v=1`,
      },
    ])
    // once is once
    const again = lab.guest.send(read)
    const [, second] = await person.questions(2)
    person.answer({ id: second?.id ?? 0, answer: "refuse", why: "that was enough" })
    const refused = await again
    expect(verdictOf(refused)).toBe("egress/asked")
    expect(refused.body.toString()).toContain("alice said no: that was enough")
  })

  it("opens its host for an hour if the person says so, with the reason, for all that wait for it", async () => {
    await using asking = await openAsking()
    const { lab, person, host } = asking
    const held = [lab.guest.send(read), lab.guest.send({ ...read, path: "/other" })]
    const post = lab.guest.send({ ...read, method: "POST", body: "x" })
    const shown = await person.questions(3)
    const id = shown.find((one) => one.path === "/other")?.id ?? 0
    person.answer({ id, answer: "allow" })
    expect(await person.event("wrong")).toMatchObject({ id, message: expect.stringContaining("why") })
    person.answer({ id, answer: "allow", why: WHY })
    await Promise.all(held)
    expect(elsewhere.requests.map((one) => one.path).sort()).toEqual(["/data?v=1", "/other"])
    const [rule] = (await host.egress("lab", signal)).liveRules
    expect(rule).toMatchObject({ kind: "allow", grant: { id: "live/1", methods: ["GET", "HEAD"], why: WHY } })
    expect(Date.parse(rule?.until ?? "") - Date.parse(rule?.madeAt ?? "")).toBe(3_600_000)
    expect(await auditOf(lab)).toMatchObject([{ action: "ask-answer", rule_id: "live/1", for_seconds: 3600 }])
    // what was not asked for in this answer still waits
    const upload = shown.find((one) => one.method === "POST")
    expect(upload?.wouldOpen.methods).toEqual(["GET", "HEAD", "POST"])
    person.answer({ id: upload?.id ?? 0, answer: "refuse" })
    expect(verdictOf(await post)).toBe("egress/asked")
  })

  it("closes its host if the person says so", async () => {
    await using asking = await openAsking()
    const { lab, person } = asking
    const held = [lab.guest.send(read), lab.guest.send({ ...read, path: "/other" })]
    await person.questions(2)
    person.answer({ id: 1, answer: "deny", why: "it has no business there", forSeconds: null })
    for (const answer of await Promise.all(held)) expect(verdictOf(answer)).toBe("live/1")
    expect(verdictOf(await lab.guest.send(read))).toBe("live/1")
    expect(elsewhere.requests).toEqual([])
  })

  it("is refused when nobody answers in time, and its body says so", async () => {
    await using asking = await openAsking(1000)
    const answer = await asking.lab.guest.send(read)
    expect(verdictOf(answer)).toBe("egress/asked")
    expect(answer.body.toString()).toContain("nobody answered in 1 s")
    expect(await asking.person.event("settled")).toMatchObject({ id: 1, why: "nobody answered in 1 s" })
    asking.person.answer({ id: 1, answer: "once" })
    expect(await asking.person.event("wrong")).toMatchObject({ id: 1, message: /waits no more/ })
    expect(elsewhere.requests).toEqual([])
  })

  it("is withdrawn when the guest gives it up", async () => {
    await using asking = await openAsking()
    const stream = asking.lab.guest.session.request({ ":method": "GET", ":authority": HOST, ":path": "/" })
    stream.on("error", () => stream.destroy())
    await asking.person.question()
    stream.close(8)
    expect(await asking.person.event("settled")).toMatchObject({ id: 1, why: "withdrawn by the machine" })
  })

  it("is refused when whoever was asked leaves, and from then on at once", async () => {
    await using asking = await openAsking()
    const { lab, person, host } = asking
    const held = lab.guest.send(read)
    await person.question()
    person.stream.destroy()
    const refused = await held
    expect(verdictOf(refused)).toBe("egress/asked")
    expect(refused.body.toString()).toContain("has left")
    expect((await host.egress("lab", signal)).mode).toBe("enforce")
    expect(verdictOf(await lab.guest.send(read))).toBe("egress/no-rule")
  })

  it("is refused when the machine is let go of", async () => {
    await using asking = await openAsking()
    const held = asking.lab.guest.send(read).catch(() => "gone")
    await asking.person.question()
    const ended = once(asking.person.stream, "close")
    await asking.host.detach("lab", signal)
    await held
    await ended
    expect(elsewhere.requests).toEqual([])
  })

  it("is a question once for as many as ask the same, and a body makes it another", async () => {
    await using asking = await openAsking()
    const { lab, person } = asking
    const held = [lab.guest.send(read), lab.guest.send(read), lab.guest.send(read)]
    const posts = ["a", "b"].map((body) => lab.guest.send({ ...read, method: "POST", body }))
    const shown = await person.questions(3)
    expect(shown.map((one) => one.method).sort()).toEqual(["GET", "POST", "POST"])
    for (const { id, method } of shown) person.answer({ id, answer: method === "GET" ? "once" : "refuse" })
    expect((await Promise.all(held)).map(verdictOf)).toEqual([undefined, undefined, undefined])
    expect((await Promise.all(posts)).map(verdictOf)).toEqual(["egress/asked", "egress/asked"])
    expect(elsewhere.requests).toHaveLength(3)
  })

  it("is one of 32 at most; more are refused at once", async () => {
    await using asking = await openAsking()
    const { lab, person } = asking
    const held = Array.from({ length: 32 }, (_none, index) => lab.guest.send({ ...read, path: `/${index}` }))
    await person.questions(32)
    const refused = await lab.guest.send({ ...read, path: "/one-more" })
    expect(verdictOf(refused)).toBe("egress/asked")
    expect(refused.body.toString()).toContain("32 other questions")
    person.stream.destroy()
    await Promise.all(held)
  })
})

describe("a person", () => {
  it("is not asked about what is forbidden, malformed or closed", async () => {
    await using asking = await openAsking()
    const { lab, host, person } = asking
    await host.changeEgress("lab", "deny", { host: HOST, why: WHY }, signal)
    const asked = async (request: object) => verdictOf(await lab.guest.send({ ...read, ...request }))
    expect(await asked({})).toBe("live/1")
    expect(await asked({ authority: "169.254.169.254" })).toBe("egress/ip-literal")
    expect(await asked({ authority: "a.example.com", path: "/../x" })).toBe("egress/bad-path")
    expect(await asked({ authority: "api.anthropic.com", method: "POST", path: "/v1/messages" })).toMatch(
      /^credential\//,
    )
    expect(person.events.filter((event) => event.kind === "question")).toEqual([])
  })

  it("is not asked about CONNECT, which opens nothing, but about the request that follows", async () => {
    await using asking = await openAsking()
    const connect = { method: "CONNECT", authority: `${HOST}:443` }
    expect((await asking.lab.guest.send(connect)).status).toBe(200)
    expect(asking.person.events.filter((event) => event.kind === "question")).toEqual([])
    asking.person.stream.destroy()
    await eventually(async () => ((await asking.host.egress("lab", signal)).mode === "enforce" ? true : null))
    expect(verdictOf(await asking.lab.guest.send(connect))).toBe("egress/no-rule")
  })

  it("is one at a time", async () => {
    await using asking = await openAsking()
    await expect(askOn(asking.host)).rejects.toMatchObject({ code: "ask/already" })
    asking.person.stream.end()
    await eventually(async () => ((await asking.host.egress("lab", signal)).mode === "enforce" ? true : null))
    using next = await askOn(asking.host)
    expect(await next.event("asking")).toMatchObject({ machine: "lab", timeoutMs: 60_000 })
  })

  it("is told when an answer makes no sense, and may answer again", async () => {
    await using asking = await openAsking()
    const { person } = asking
    person.stream.write("nonsense\n[]\n{}\n")
    await eventually(() =>
      person.events.filter((event) => event.kind === "wrong").length === 3 ? true : null,
    )
    const held = asking.lab.guest.send(read)
    person.answer({ id: (await person.question()).id, answer: "once" })
    expect(verdictOf(await held)).toBeUndefined()
  })

  it.each([[999], [600_001]])("cannot take %i ms", async (timeoutMs) => {
    await using asking = await openAsking()
    await expect(askOn(asking.host, timeoutMs)).rejects.toMatchObject({ code: "host/bad-request" })
  })

  it("who let something out once does not bind a later denial: the call ends", async () => {
    await using asking = await openAsking()
    const { lab, person, host } = asking
    const begun = Promise.withResolvers<void>()
    const slow = { ...read, method: "POST", path: "/v1/messages", body: '{"stream":true}' }
    const held = lab.guest.send({ ...slow, headers: { "x-fake": "stall=1" } }, () => {
      begun.resolve()
      return true
    })
    person.answer({ id: (await person.question()).id, answer: "once" })
    await begun.promise
    expect(await host.reload("lab", null, signal)).toMatchObject({ cutCalls: 0 })
    const denied = await host.changeEgress("lab", "deny", { host: HOST, why: WHY }, signal)
    expect(denied.cutCalls).toBe(1)
    expect((await held).complete).toBe(false)
  })
})
