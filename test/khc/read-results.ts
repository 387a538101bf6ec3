/** What kernel-hardening-checker says in its JSON mode, counted by what it looked at. */

import { z } from "zod"
import { Fault, reasonOf } from "../../contract/fault.ts"

export interface Counted {
  readonly ok: number
  readonly failed: number
  /** One line for each that failed: its name, what is wanted, what was found. */
  readonly failures: readonly string[]
}

const KINDS = ["cmdline", "sysctl", "kconfig"] as const
export type CheckKind = (typeof KINDS)[number]

const results = z.array(
  z.looseObject({
    option_name: z.string(),
    type: z.string(),
    desired_val: z.string(),
    check_result: z.string(),
    check_result_bool: z.boolean(),
  }),
)

/** Fault: `khc/no-results` where it says something else, or has not looked at the command line or the settings. */
export function readResults(printed: string): Readonly<Record<CheckKind, Counted>> {
  const parsed = parse(printed)
  const count = (kind: CheckKind): Counted => {
    const all = parsed.filter(({ type }) => type === kind)
    const failed = all.filter((one) => !one.check_result_bool)
    const failures = failed.map((one) => `${one.option_name}: ${one.desired_val}: ${one.check_result}`)
    return { ok: all.length - failed.length, failed: failed.length, failures }
  }
  const counted = { cmdline: count("cmdline"), sysctl: count("sysctl"), kconfig: count("kconfig") }
  for (const kind of ["cmdline", "sysctl"] as const) {
    if (counted[kind].ok + counted[kind].failed > 0) continue
    throw new Fault("khc/no-results", `kernel-hardening-checker has no check of ${kind}`)
  }
  return counted
}

function parse(printed: string): z.infer<typeof results> {
  try {
    return results.parse(JSON.parse(printed))
  } catch (cause) {
    throw new Fault("khc/no-results", `not what its mode json prints: ${reasonOf(cause)}`, {
      hint: "another version of it? docs/hardening.md names the one that this was made with",
      cause,
    })
  }
}
