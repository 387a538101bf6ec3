/** How long a property is tried: briefly among the other tests, for FUZZ_SECONDS each under `make fuzz`. */

import fc from "fast-check"
import { expect } from "vitest"
import { keepReproduction, readReproductions } from "./reproductions.ts"

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 0)

/** The same values whenever the tests run, so that a failure is the change's; `make fuzz` looks for new ones. */
const EVERYDAY_SEED = 20_261_125

/**
 * What once broke the property is tried first. A new counterexample is kept in test/fuzz/reproductions under the
 * test's name, and fast-check prints its seed; FUZZ_SEED repeats a run.
 */
export async function runProperty<Values extends unknown[]>(
  property: fc.IRawProperty<Values, boolean>,
): Promise<void> {
  const test = expect.getState().currentTestName ?? "unnamed"
  const seed = process.env["FUZZ_SEED"]
  const length =
    seconds > 0
      ? {
          numRuns: Number.MAX_SAFE_INTEGER,
          interruptAfterTimeLimit: seconds * 1000,
          markInterruptAsFailure: false,
        }
      : { numRuns: 300, seed: EVERYDAY_SEED }
  // written by keepReproduction from this property's own values
  const examples = readReproductions(test) as Values[]
  const chosen = { ...length, examples, ...(seed === undefined ? {} : { seed: Number(seed) }) }
  const result = await fc.check(property, chosen)
  if (!result.failed) return
  if (result.counterexample !== null) {
    keepReproduction(test, { seed: result.seed, values: result.counterexample })
  }
  throw new Error(fc.defaultReportMessage(result) ?? "the property does not hold", {
    cause: result.errorInstance,
  })
}

/** Room for a property's time and for shrinking what it found. */
export const FUZZ_TIMEOUT_MS = seconds * 1000 + 120_000
