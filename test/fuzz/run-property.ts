/** How long a property is tried: briefly among the other tests, for FUZZ_SECONDS each under `make fuzz`. */

import fc from "fast-check"

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 0)

/** fast-check prints seed and path of a counterexample; FUZZ_SEED repeats a run. */
export function runProperty<Values>(
  property: fc.IProperty<Values> | fc.IAsyncProperty<Values>,
): Promise<void> {
  const seed = process.env["FUZZ_SEED"]
  const length =
    seconds > 0
      ? {
          numRuns: Number.MAX_SAFE_INTEGER,
          interruptAfterTimeLimit: seconds * 1000,
          markInterruptAsFailure: false,
        }
      : { numRuns: 300 }
  return Promise.resolve(
    fc.assert(property, { ...length, ...(seed === undefined ? {} : { seed: Number(seed) }) }),
  )
}

/** Room for a property's time and for shrinking what it found. */
export const FUZZ_TIMEOUT_MS = seconds * 1000 + 120_000
