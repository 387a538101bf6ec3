/** The questions of one machine that wait for a person: bounded, each with its time, none outliving who asks. */

import { Fault } from "../../contract/fault.ts"
import type { AskEvent, AskQuestion } from "../../contract/host-egress-api.ts"
import type { EgressRequest } from "../../contract/verdict.ts"

/** A call that no rule allows and none forbids. */
export interface AskedCall {
  readonly request: EgressRequest
  /** What the guest says of the calling process. */
  readonly process: string | null
  readonly hasBody: boolean
}

export type AskOutcome =
  | { readonly kind: "once"; readonly by: string; readonly why: string | null }
  /** The policy has changed: it may know an answer now. */
  | { readonly kind: "decide-again" }
  | { readonly kind: "refused"; readonly reason: string }

/** The person's side. */
export interface Asker {
  readonly timeoutMs: number
  readonly say: (event: AskEvent) => void
  /** The machine is no longer served: nothing more will be asked. */
  readonly end: () => void
}

interface Question {
  readonly shown: AskQuestion
  readonly call: AskedCall
  readonly waiting: Set<(outcome: AskOutcome) => void>
  readonly timer: NodeJS.Timeout
}

const MAX_QUESTIONS = 32
const MAX_WAITING = 256
const MAX_PATH = 2000
/** Asking twice for the same changes nothing; a request with a body is a question of its own, for its body counts. */
const SHARED_METHODS = new Set(["GET", "HEAD", "OPTIONS"])

export class AskDesk {
  readonly #questions = new Map<number, Question>()
  readonly #now: () => number
  #asker: Asker | null = null
  #lastId = 0

  constructor(now: () => number) {
    this.#now = now
  }

  get isOpen(): boolean {
    return this.#asker !== null
  }

  /** Fault `ask/already`: two who answer would not know of each other. What is returned ends it; all that wait are refused. */
  open(asker: Asker): () => void {
    if (this.#asker) {
      throw new Fault("ask/already", "somebody answers this machine's questions already", {
        hint: "end the other `stereo egress ask` first",
      })
    }
    this.#asker = asker
    return () => {
      if (this.#asker === asker) this.#leave("whoever was asked has left")
    }
  }

  close(): void {
    const asker = this.#asker
    this.#leave("the machine is no longer served")
    asker?.end()
  }

  /** Resolves with the answer, at the latest when the asker's time is over; at once when nobody can be asked. */
  ask(call: AskedCall, gone: AbortSignal): Promise<AskOutcome> {
    const asker = this.#asker
    if (!asker) return refused("nobody is there to be asked")
    const same = this.#findSame(call)
    if (!same && this.#questions.size >= MAX_QUESTIONS) {
      return refused(`${MAX_QUESTIONS} other questions wait for an answer already`)
    }
    if (this.#countWaiting() >= MAX_WAITING)
      return refused(`${MAX_WAITING} requests wait for an answer already`)
    const question = same ?? this.#pose(call, asker)
    const { promise, resolve } = Promise.withResolvers<AskOutcome>()
    question.waiting.add(resolve)
    const leave = () => {
      question.waiting.delete(resolve)
      resolve({ kind: "refused", reason: "the request was withdrawn" })
      if (question.waiting.size === 0) this.#close(question, "withdrawn by the machine")
    }
    if (gone.aborted) leave()
    else gone.addEventListener("abort", leave, { once: true })
    return promise.finally(() => gone.removeEventListener("abort", leave))
  }

  find(id: number): AskedCall | null {
    return this.#questions.get(id)?.call ?? null
  }

  settle(id: number, outcome: AskOutcome, why: string): void {
    const question = this.#questions.get(id)
    if (!question) return
    for (const resolve of question.waiting) resolve(outcome)
    this.#close(question, why)
  }

  settleWhere(test: (call: AskedCall) => boolean, outcome: AskOutcome): void {
    for (const [id, question] of this.#questions) {
      if (test(question.call)) this.settle(id, outcome, "settled by a rule")
    }
  }

  #leave(reason: string): void {
    this.#asker = null
    this.settleWhere(() => true, { kind: "refused", reason })
  }

  #pose(call: AskedCall, asker: Asker): Question {
    this.#lastId += 1
    const id = this.#lastId
    const seconds = asker.timeoutMs / 1000
    const late = { kind: "refused", reason: `nobody answered in ${seconds} s` } as const
    const timer = setTimeout(() => this.settle(id, late, late.reason), asker.timeoutMs)
    const shown = showQuestion(id, call, this.#now())
    const question = { shown, call, waiting: new Set<(outcome: AskOutcome) => void>(), timer }
    this.#questions.set(id, question)
    asker.say(shown)
    return question
  }

  #close(question: Question, why: string): void {
    clearTimeout(question.timer)
    if (this.#questions.delete(question.shown.id)) {
      this.#asker?.say({ kind: "settled", id: question.shown.id, why })
    }
  }

  #findSame(call: AskedCall): Question | undefined {
    if (call.hasBody || !SHARED_METHODS.has(call.request.method)) return undefined
    const key = JSON.stringify(call.request)
    return [...this.#questions.values()].find(
      (one) => !one.call.hasBody && JSON.stringify(one.call.request) === key,
    )
  }

  #countWaiting(): number {
    return [...this.#questions.values()].reduce((sum, { waiting }) => sum + waiting.size, 0)
  }
}

/** What the answer `allow` opens: reading, and the method that was asked for. */
export function wouldOpen(request: EgressRequest): { readonly methods: string[]; readonly paths: string[] } {
  return { methods: [...new Set(["GET", "HEAD", request.method])], paths: ["/**"] }
}

function showQuestion(id: number, { request, process }: AskedCall, nowMs: number): AskQuestion {
  const { scheme, host, port, method, websocket } = request
  const path = request.query === null ? request.path : `${request.path}?${request.query}`
  return {
    ...{ kind: "question", id, askedAt: new Date(nowMs).toISOString(), scheme, host, port, method },
    ...{ path: path.slice(0, MAX_PATH), websocket, process, wouldOpen: wouldOpen(request) },
  }
}

function refused(reason: string): Promise<AskOutcome> {
  return Promise.resolve({ kind: "refused", reason })
}
