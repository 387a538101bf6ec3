/** What a gate found, in words that say what to do; and the definition's answers to it. */

import { Fault } from "../../contract/fault.ts"
import type { FileGate } from "../../contract/file-gates.ts"

export interface Finding {
  readonly gate: FileGate | "exposure" | "budget" | "exception"
  /** A path, a unit, or what a budget is of. */
  readonly subject: string
  readonly found: string
  readonly allowed: string
  /** What to do about it. */
  readonly advice: string
}

export interface GateException {
  readonly gate: FileGate
  readonly paths: readonly string[]
  readonly why: string
}

/** Fault: `gates/refused`, with all that was found; none: nothing. */
export function refuseFindings(image: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return
  const lines = findings.map(({ gate, subject, found, allowed, advice }) => {
    return `  ${gate}: ${subject}: ${found}; allowed: ${allowed}\n    ${advice}`
  })
  throw new Fault("gates/refused", `image ${image} does not pass its gates:\n${lines.join("\n")}`, {
    hint: "the gates and their exceptions are described in docs/hardening.md",
  })
}
