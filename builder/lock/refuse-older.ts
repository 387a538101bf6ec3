/** Keeps a lock from going back: Debian's versions only grow, and main's Release file never expires. */

import { Fault } from "../../contract/fault.ts"
import { attempt, type RunRequest } from "../run.ts"
import type { Move } from "./compare-locks.ts"

/** Fault: `lock/older`. */
export async function refuseOlder(
  moves: readonly Move[],
  runner: Pick<RunRequest, "logFile" | "signal">,
): Promise<void> {
  const older: string[] = []
  for (const { kind, name, from, to } of moves) {
    if (kind !== "deb" || from === null || to === null) continue
    const purpose = `whether ${name} goes back`
    const command = ["dpkg", "--compare-versions", to, "lt", from] as const
    const { succeeded } = await attempt({ ...runner, purpose, command })
    if (succeeded) older.push(`    ${name} ${from} → ${to}`)
  }
  if (older.length === 0) return
  throw new Fault("lock/older", `the mirror has older packages than the lock\n${older.join("\n")}`, {
    hint: "it is behind, or shows an old state of Debian on purpose: ask another one (STEREO_DEBIAN_MIRROR); if going back is what you want, remove the lock first",
  })
}
