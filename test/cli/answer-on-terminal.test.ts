import { PassThrough } from "node:stream"
import { describe, expect, it } from "vitest"
import { answerOnTerminal } from "../../cli/egress/answer-on-terminal.ts"
import type { AskAnswer, AskEvent, AskQuestion } from "../../contract/host-egress-api.ts"

const QUESTION: AskQuestion = {
  ...{ kind: "question", id: 1, askedAt: "2026-01-01T10:20:30.000Z", scheme: "https", host: "a.example.com" },
  ...{ port: 443, method: "POST", path: "/v1/x?y=1", websocket: false, process: "7 /bin/curl" },
  wouldOpen: { methods: ["GET", "HEAD", "POST"], paths: ["/**"] },
}

/** A person at a terminal that is two streams. */
function openTerminal() {
  const input = new PassThrough()
  const output = new PassThrough()
  const sent: AskAnswer[] = []
  const events = new PassThrough({ objectMode: true })
  let shown = ""
  output.on("data", (chunk) => {
    shown += String(chunk)
  })
  const ended = answerOnTerminal(events as AsyncIterable<AskEvent>, {
    ...{ input, output, send: (answer: AskAnswer) => void sent.push(answer) },
  })
  const until = async (test: () => boolean) => {
    for (let round = 0; round < 250 && !test(); round += 1) await new Promise((done) => setTimeout(done, 20))
    expect(test(), shown).toBe(true)
  }
  return {
    ...{ input, sent, ended, until, text: () => shown },
    hear: (event: AskEvent) => void events.write(event),
    end: () => events.end(),
    type: (line: string) => void input.write(`${line}\n`),
    prompts: () => shown.split("then Enter: ").length - 1,
  }
}

describe("a person at a terminal", () => {
  it("sees who asks for what, and answers with a key", async () => {
    const terminal = openTerminal()
    terminal.hear(QUESTION)
    await terminal.until(() => terminal.prompts() === 1)
    for (const part of [
      "10:20:30",
      "POST https://a.example.com:443/v1/x?y=1",
      "7 /bin/curl",
      "GET, HEAD, POST",
    ]) {
      expect(terminal.text()).toContain(part)
    }
    terminal.type("x")
    await terminal.until(() => terminal.prompts() === 2)
    terminal.type("a")
    await terminal.until(() => terminal.sent.length === 1)
    expect(terminal.sent).toEqual([{ id: 1, answer: "once", why: null, forSeconds: null }])
    terminal.end()
    await terminal.ended
  })

  it.each([
    ["h", { answer: "allow", forSeconds: 3600 }],
    ["D", { answer: "deny", forSeconds: null }],
  ])("gives a reason with %s, and is asked again for one that is none", async (key, expected) => {
    const terminal = openTerminal()
    terminal.hear(QUESTION)
    await terminal.until(() => terminal.prompts() === 1)
    terminal.type(key)
    await terminal.until(() => terminal.text().includes("why"))
    terminal.type("no")
    await terminal.until(() => terminal.prompts() === 2)
    terminal.type(key)
    await terminal.until(() => terminal.text().split("why (").length === 3)
    terminal.type("it is needed here")
    await terminal.until(() => terminal.sent.length === 1)
    expect(terminal.sent).toEqual([{ id: 1, why: "it is needed here", ...expected }])
    terminal.end()
    await terminal.ended
  })

  it("answers one question at a time, and none that has been settled", async () => {
    const terminal = openTerminal()
    terminal.hear(QUESTION)
    terminal.hear({ ...QUESTION, id: 2, host: "b.example.com" })
    await terminal.until(() => terminal.prompts() === 1)
    terminal.hear({ kind: "settled", id: 1, why: "nobody answered in 60 s" })
    await terminal.until(() => terminal.prompts() === 2)
    expect(terminal.text()).toContain("nobody answered in 60 s")
    terminal.type("d")
    await terminal.until(() => terminal.sent.length === 1)
    expect(terminal.sent).toEqual([{ id: 2, answer: "refuse", why: null, forSeconds: null }])
    terminal.end()
    await terminal.ended
  })

  it("is asked again when an answer could not be acted on", async () => {
    const terminal = openTerminal()
    terminal.hear(QUESTION)
    await terminal.until(() => terminal.prompts() === 1)
    terminal.type("a")
    await terminal.until(() => terminal.sent.length === 1)
    terminal.hear({ kind: "wrong", id: 1, message: "the disk is full" })
    await terminal.until(() => terminal.prompts() === 2)
    expect(terminal.text()).toContain("not done: the disk is full")
    terminal.end()
    await terminal.ended
  })

  it("leaves with q, with a question on the screen or without", async () => {
    const idle = openTerminal()
    idle.hear({ kind: "asking", machine: "lab", timeoutMs: 1000 })
    await idle.until(() => idle.text().includes("lab: waiting"))
    idle.type("q")
    await idle.ended
    const busy = openTerminal()
    busy.hear(QUESTION)
    await busy.until(() => busy.prompts() === 1)
    busy.type("q")
    await busy.ended
    expect(busy.sent).toEqual([])
  })

  it("sees no control character of a guest", async () => {
    const terminal = openTerminal()
    const evil = "\u001b]0;owned\u0007\u001b[2J\u202e\n#2 fake"
    terminal.hear({ ...QUESTION, path: `/${evil}`, process: evil, method: evil, host: evil })
    await terminal.until(() => terminal.prompts() === 1)
    expect(terminal.text()).toContain("owned")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
    expect(terminal.text()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u202e]/)
    expect(terminal.text()).not.toMatch(/^#2/m)
    terminal.end()
    await terminal.ended
  })
})
