/** What a test may make the fake AWS do. */

import type { AwsAnswer, AwsCall } from "./call.ts"

export interface Knobs {
  /** What was made is unknown to so many calls at first. */
  unknownReads: number
  /** What was asked for is not ready for so many looks more. */
  pendingReads: number
  /** Answers in the place of everything else; `cut` ends the connection without an answer, `lost` after the work. */
  intercept: (call: AwsCall) => AwsAnswer | "cut" | "lost" | null
  /** Where instances are to be found. */
  address: string
  /** What an instance's console shows; null: nothing yet. */
  console: (instanceId: string) => string | null
  /** Instances terminate themselves instead of running. */
  endsAtBoot: boolean
}

export function quietKnobs(): Knobs {
  return {
    unknownReads: 0,
    pendingReads: 0,
    intercept: () => null,
    address: "127.0.0.1",
    console: () => null,
    endsAtBoot: false,
  }
}
