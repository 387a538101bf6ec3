/** The gate on services: none more exposed than 1.5, unless the definition says which and why. */

import type { Finding } from "./finding.ts"

/** In tenths. */
const MOST = 15

export interface AllowedExposure {
  readonly units: readonly string[]
  /** In tenths. */
  readonly atMost: number
  readonly why: string
}

/** `exposures` in tenths by unit; of two allowances of one unit the wider counts. An allowance that no unit of the image needs any more is a finding, too. */
export function checkExposure(
  exposures: ReadonlyMap<string, number>,
  allowances: readonly AllowedExposure[],
): Finding[] {
  const allowed = new Map<string, number>()
  for (const { units, atMost } of allowances) {
    for (const unit of units) allowed.set(unit, Math.max(atMost, allowed.get(unit) ?? 0))
  }
  const tooMuch = [...exposures].flatMap(([unit, found]): Finding[] => {
    const most = allowed.get(unit) ?? MOST
    if (found <= most) return []
    const advice = `\`systemd-analyze security --offline=yes --root=… ${unit}\` says what it may do; take that away, or allow it with [[exposure]] units, at_most, why`
    return [{ gate: "exposure", subject: unit, found: tenths(found), allowed: tenths(most), advice }]
  })
  const idle = [...allowed].flatMap(([unit, most]): Finding[] => {
    const found = exposures.get(unit)
    if (found !== undefined && found > MOST) return []
    const what =
      found === undefined ? "no such unit" : `${tenths(found)}, which needs no allowance of ${tenths(most)}`
    const advice = "take it out of its [[exposure]]"
    return [{ gate: "exception", subject: unit, found: what, allowed: "allowances that are needed", advice }]
  })
  return [...tooMuch, ...idle]
}

function tenths(value: number): string {
  return (value / 10).toFixed(1)
}
