/** The verdict on a request, by the policy of this moment or, where it says nothing, by whoever can be asked. */

import type { EgressPolicy } from "../contract/egress-grant.ts"
import type { EgressRequest, Verdict } from "../contract/verdict.ts"
import type { AskedCall, AskOutcome } from "./ask/ask-desk.ts"
import { decideEgress } from "./policy/decide-egress.ts"

/** The rule of what somebody let out once. */
export const ONCE = "live/once"
/** The rule of what somebody was asked about, in vain. */
const ASKED = "egress/asked"
/** No rule speaks of it: what is forbidden, malformed or closed is nobody's to allow. */
const ASKABLE = new Set(["egress/no-rule", "egress/connect-port", "egress/expired"])

export interface Deciding {
  readonly policy: () => EgressPolicy
  /** Null: nobody is there to be asked. */
  readonly ask: (call: AskedCall, gone: AbortSignal) => Promise<AskOutcome | null>
}

export async function decideOrAsk(
  machine: Deciding,
  call: AskedCall,
  gone: AbortSignal,
  today: () => string,
): Promise<Verdict> {
  for (;;) {
    const verdict = decideEgress(call.request, machine.policy(), today())
    if (!isAskable(verdict)) return verdict
    const outcome = await machine.ask(call, gone)
    if (outcome === null) return verdict
    switch (outcome.kind) {
      case "once":
        return allowOnce(call.request, outcome)
      case "refused":
        return refuseAsked(verdict, outcome.reason)
      case "decide-again":
        continue
      default:
        outcome satisfies never
    }
  }
}

export function isAskable(verdict: Verdict): verdict is Extract<Verdict, { kind: "refuse" }> {
  return verdict.kind === "refuse" && ASKABLE.has(verdict.rule)
}

/** Whether a rule of a set could allow what was refused by this one. */
export function couldBeOpened(rule: string | null): boolean {
  return rule !== null && (ASKABLE.has(rule) || rule === ASKED)
}

/** A grant for exactly this request, which stands in no policy. */
function allowOnce(request: EgressRequest, { by, why }: Extract<AskOutcome, { kind: "once" }>): Verdict {
  const { scheme, host, port, method, path, query, websocket } = request
  const reason = why ?? `${by} was asked and let it out once`
  const grant = {
    ...{ id: ONCE, source: { file: "live", line: 0 }, scheme, host, port, methods: [method], paths: [path] },
    ...{ query: query === null ? ("none" as const) : { only: query }, bodyCheck: null, websocket },
    ...{
      maxRequestBytes: null,
      maxPathBytes: null,
      git: null,
      budgetBytes: null,
      why: reason,
      owner: by,
      expires: null,
    },
  }
  return { kind: "allow", rule: ONCE, why: reason, grant }
}

function refuseAsked({ reason }: Extract<Verdict, { kind: "refuse" }>, why: string): Verdict {
  return {
    kind: "refuse",
    rule: ASKED,
    reason: `${reason}; a person was asked: ${why}`,
    hint: "ask whoever runs this machine to answer `stereo egress ask`, or for a rule by `stereo egress allow`",
  }
}
