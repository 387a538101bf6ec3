/** A person at the questions of one machine: each answer is recorded before it counts. */

import { reasonOf } from "../contract/fault.ts"
import { type AskAnswer, type AskEvent, askAnswer, liveRequest } from "../contract/host-egress-api.ts"
import { type AskedCall, wouldOpen } from "./ask/ask-desk.ts"
import { auditEntry } from "./audit-entry.ts"
import type { MachineEgress } from "./machine-egress.ts"
import { draftLiveRule } from "./make-live-rule.ts"
import type { ServiceUser } from "./read-service-user.ts"

export interface AskOptions {
  readonly timeoutMs: number
  readonly claimedUser: string | null
  /** Takes what the person is to see. */
  readonly say: (event: AskEvent) => void
  /** Called when the machine is no longer served. */
  readonly end: () => void
}

export interface AskSession {
  /** Never rejects: what is wrong with an answer is said. */
  answer(raw: unknown): Promise<void>
  /** All that still wait are refused. */
  close(): void
}

export interface Answering {
  readonly machine: string
  readonly egress: MachineEgress
  readonly user: ServiceUser
  readonly now: () => number
}

/** Fault `ask/already`. */
export function answerQuestions(answering: Answering, options: AskOptions): AskSession {
  const { egress, machine } = answering
  const { timeoutMs, say, end } = options
  const close = egress.desk.open({ timeoutMs, say, end })
  say({ kind: "asking", machine, timeoutMs })
  return {
    close,
    async answer(raw) {
      const parsed = askAnswer.safeParse(raw)
      if (!parsed.success) {
        const issue = parsed.error.issues[0]
        return say({ kind: "wrong", id: null, message: `${issue?.path.join(".")}: ${issue?.message}` })
      }
      const { id } = parsed.data
      const call = egress.desk.find(id)
      if (!call) return say({ kind: "wrong", id, message: "this question waits no more" })
      try {
        await act(answering, options.claimedUser, parsed.data, call)
      } catch (thrown) {
        say({ kind: "wrong", id, message: reasonOf(thrown) })
      }
    },
  }
}

async function act(
  answering: Answering,
  claimedUser: string | null,
  answer: AskAnswer,
  call: AskedCall,
): Promise<void> {
  const { egress, user, now } = answering
  const { id, why } = answer
  const by = claimedUser ?? user.user
  const entry = (detail: string) => auditEntry("ask-answer", null, { claimedUser, why, detail })
  switch (answer.answer) {
    case "once":
      await egress.record(entry(`let out once: ${describeCall(call)}`))
      return egress.desk.settle(id, { kind: "once", by, why }, "let out once")
    case "refuse": {
      await egress.record(entry(`refused: ${describeCall(call)}`))
      const reason = `${by} said no${why === null ? "" : `: ${why}`}`
      return egress.desk.settle(id, { kind: "refused", reason }, "refused")
    }
    case "allow":
    case "deny": {
      if (why === null) throw new Error("a rule needs its why, of at least 8 characters")
      const { host, port, websocket } = call.request
      const { forSeconds } = answer
      const wish = { host, port, websocket, why, forSeconds, claimedUser, ...wouldOpen(call.request) }
      const parts = { user, now, action: "ask-answer", wish: liveRequest.parse(wish) } as const
      await egress.addRule(draftLiveRule({ kind: answer.answer, ...parts }))
      // the rule has settled every question that it speaks of; a denied or broken policy may still leave this one
      return egress.desk.settle(id, { kind: "decide-again" }, "settled by a rule")
    }
    default:
      answer.answer satisfies never
  }
}

function describeCall({ request }: AskedCall): string {
  const { method, scheme, host, port, path, query } = request
  return `${method} ${scheme}://${host}:${port}${path}${query === null ? "" : `?${query}`}`.slice(0, 2000)
}
