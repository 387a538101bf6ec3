/** Shows the questions one after the other and reads an answer to each, a line at a time. */

import { createInterface, type Interface } from "node:readline/promises"
import type { AskAnswer, AskEvent, AskQuestion } from "../../contract/host-egress-api.ts"
import { printableLine } from "../printable-line.ts"

export interface AnsweringTerminal {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  readonly send: (answer: AskAnswer) => void
}

const HOUR_SECONDS = 3600

/** Resolves when no more can be asked, or when the person leaves. */
export async function answerOnTerminal(
  events: AsyncIterable<AskEvent>,
  terminal: AnsweringTerminal,
): Promise<void> {
  const desk = new TerminalDesk(terminal)
  const left = desk.left
  const heard = (async () => {
    for await (const event of events) desk.hear(event)
  })()
  try {
    await Promise.race([heard, left])
  } finally {
    desk.close()
  }
}

class TerminalDesk {
  readonly #terminal: AnsweringTerminal
  readonly #lines: Interface
  readonly #waiting: AskQuestion[] = []
  readonly #answered = new Map<number, AskQuestion>()
  readonly #leaving = Promise.withResolvers<void>()
  /** The question on the screen, and what takes its prompt away. */
  #current: { readonly id: number; readonly gone: AbortController } | null = null

  constructor(terminal: AnsweringTerminal) {
    this.#terminal = terminal
    const { input, output } = terminal
    this.#lines = createInterface({ input, output })
    // a line that answers no prompt
    this.#lines.on("line", (line) => {
      if (line.trim() === "q") this.#leaving.resolve()
    })
    // Ctrl-C is a key here, for the terminal is in raw mode
    this.#lines.on("SIGINT", () => this.#leaving.resolve())
    this.#lines.once("close", () => this.#leaving.resolve())
  }

  get left(): Promise<void> {
    return this.#leaving.promise
  }

  hear(event: AskEvent): void {
    switch (event.kind) {
      case "asking":
        this.#say(`${event.machine}: waiting for requests that no rule speaks of (q and Enter to leave)`)
        break
      case "question":
        this.#waiting.push(event)
        this.#next()
        break
      case "settled":
        this.#settle(event.id, event.why)
        break
      case "wrong":
        this.#say(`not done: ${event.message}`)
        this.#askAgain(event.id)
        break
      default:
        event satisfies never
    }
  }

  close(): void {
    this.#current?.gone.abort()
    this.#lines.close()
  }

  /** An answer that could not be acted on leaves its question where it was. */
  #askAgain(id: number | null): void {
    const question = id === null ? undefined : this.#answered.get(id)
    if (!question) return
    this.#answered.delete(question.id)
    this.#waiting.unshift(question)
    this.#next()
  }

  #settle(id: number, why: string): void {
    this.#answered.delete(id)
    const index = this.#waiting.findIndex((one) => one.id === id)
    if (index >= 0) this.#waiting.splice(index, 1)
    this.#say(`#${id}: ${why}`)
    if (this.#current?.id === id) this.#current.gone.abort()
  }

  #next(): void {
    const question = this.#waiting[0]
    if (!question || this.#current) return
    const gone = new AbortController()
    this.#current = { id: question.id, gone }
    this.#pose(question, gone.signal)
      .catch((thrown) => {
        if (!gone.signal.aborted) throw thrown
      })
      .then(() => {
        this.#current = null
        if (gone.signal.aborted) this.#take(question)
        this.#next()
      }, this.#leaving.reject)
  }

  #take(question: AskQuestion): void {
    const index = this.#waiting.indexOf(question)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  async #pose(question: AskQuestion, signal: AbortSignal): Promise<void> {
    this.#say(describeQuestion(question))
    // what was typed for the question before must not answer this one
    if (this.#lines.terminal) this.#lines.write(null, { ctrl: true, name: "u" })
    for (;;) {
      const key = (await this.#lines.question("a, h, d, D or q, then Enter: ", { signal })).trim()
      if (key === "q") return this.#leaving.resolve()
      const answer = await this.#answerOf(key, question.id, signal)
      if (!answer) continue
      this.#answered.set(question.id, question)
      this.#take(question)
      this.#terminal.send(answer)
      return
    }
  }

  async #answerOf(key: string, id: number, signal: AbortSignal): Promise<AskAnswer | null> {
    const plain = { id, why: null, forSeconds: null }
    switch (key) {
      case "a":
        return { ...plain, answer: "once" }
      case "d":
        return { ...plain, answer: "refuse" }
      case "h":
      case "D": {
        const why = (await this.#lines.question("why (8 characters or more): ", { signal })).trim()
        if (why.length < 8) return null
        const forSeconds = key === "h" ? HOUR_SECONDS : null
        return { id, why: why.slice(0, 500), forSeconds, answer: key === "h" ? "allow" : "deny" }
      }
      default:
        return null
    }
  }

  #say(text: string): void {
    this.#terminal.output.write(`\n${text}\n`)
  }
}

/** Everything in it but the time comes from the guest. */
function describeQuestion(question: AskQuestion): string {
  const { id, askedAt, method, scheme, host, port, path, process, websocket, wouldOpen } = question
  const asked = `${method} ${scheme}://${host}:${port}${path}${websocket ? " (WebSocket)" : ""}`
  const opens = `${wouldOpen.methods.join(", ")} of ${scheme}://${host}:${port}${wouldOpen.paths.join(" ")}`
  return [
    `#${id}  ${askedAt.slice(11, 19)}  ${printableLine(asked, 600)}`,
    `    by, as the guest says: ${printableLine(process ?? "(unknown)", 200)}`,
    "    a  allow this request once",
    `    h  allow ${printableLine(opens, 300)} for an hour`,
    "    d  refuse this request",
    `    D  deny ${printableLine(host, 260)} until the run ends`,
  ].join("\n")
}
