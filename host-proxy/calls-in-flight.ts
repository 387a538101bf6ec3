/** The calls of one machine that are under way, so that a policy that tightens also ends what it would not begin. */

import type { EgressRequest } from "../contract/verdict.ts"

export interface CallInFlight {
  readonly request: EgressRequest
  /** The rule that let it out. */
  readonly rule: string
  /** Ends it for both sides; the record says why. */
  readonly cut: (reason: string) => void
}

export class CallsInFlight {
  readonly #calls = new Set<CallInFlight>()

  /** The call counts until what is returned is called. */
  add(call: CallInFlight): () => void {
    this.#calls.add(call)
    return () => void this.#calls.delete(call)
  }

  count(test: (call: CallInFlight) => boolean): number {
    return [...this.#calls].filter(test).length
  }

  /** Cuts those for which `why` gives a reason, and says how many. */
  cutWhere(why: (call: CallInFlight) => string | null): number {
    const cut = [...this.#calls].flatMap((call) => {
      const reason = why(call)
      if (reason !== null) call.cut(reason)
      return reason === null ? [] : [call]
    })
    return cut.length
  }
}
