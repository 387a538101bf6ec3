/** Counts of an outcome, and the exit code that scripts read. Pure. */

import type { AttackOutcome, AttackResult } from "./attack.ts"

export interface Summary {
  readonly held: number
  readonly through: number
  readonly untried: number
  readonly skipped: number
  readonly strays: number
  /** 0: all that is promised held · 2: something got through · 1: something was not tried. */
  readonly exitCode: 0 | 1 | 2
  /** The refusal that took longest, by the guest's clock; null without any. */
  readonly slowest: AttackResult | null
}

export function summarise(outcomes: readonly AttackOutcome[]): Summary {
  const results = outcomes.flatMap((outcome) => outcome.results)
  const strays = outcomes.flatMap((outcome) => outcome.strays).length
  const count = (kind: AttackResult["verdict"]["kind"]) =>
    results.filter(({ verdict }) => verdict.kind === kind).length
  const [through, untried] = [count("through"), count("untried")]
  return {
    ...{ held: count("held"), through, untried, skipped: count("skipped"), strays },
    exitCode: through + strays > 0 ? 2 : untried > 0 ? 1 : 0,
    slowest: findSlowest(results),
  }
}

/** Of the answers that say why: silence is waited for, not answered, and a script waits for its own programs. */
function findSlowest(results: readonly AttackResult[]): AttackResult | null {
  const answered = results.filter(
    ({ attack, ms }) => attack.vector.expected === "403" && attack.vector.how.kind !== "shell" && ms !== null,
  )
  return answered.reduce<AttackResult | null>(
    (slowest, one) => (slowest === null || (one.ms ?? 0) > (slowest.ms ?? 0) ? one : slowest),
    null,
  )
}
