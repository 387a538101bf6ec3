/** What becomes of the inner wall between two targets, and the sentence at the end, in words. Pure. */

import type { EgressDiff } from "../egress-diff.ts"

/** A line each; rules begin with `+` or `-`. */
export function describeWall({ wall, proof, after }: EgressDiff): string[] {
  if (wall.kind === "same") return ["the same"]
  const rules =
    wall.kind === "unknown"
      ? [`cannot be compared: ${wall.why}`]
      : wall.orderOnly
        ? ["the same rules in another order"]
        : [...wall.removed.map((rule) => `- ${rule}`), ...wall.added.map((rule) => `+ ${rule}`)]
  if (proof) {
    const verdict = proof.proven
      ? "proven of the second: nothing leaves but what is promised"
      : `not proven of the second, so it counts as opening; \`stereo egress verify ${after.target}\` says why`
    return [...rules, verdict, ...proof.lines]
  }
  return [
    ...rules,
    `whether that opens something is decided by \`stereo egress verify ${after.target}\`; until then it counts as opening`,
  ]
}

export function summarise({ policy, wall, proof, opens }: EgressDiff): string {
  const rules = policy.opens.length
  const parts = [
    ...(rules > 0 ? [rules === 1 ? "one thing opens" : `${rules} things open`] : []),
    ...(wall.kind !== "same" && proof?.proven !== true ? ["the inner wall differs, unproven"] : []),
  ]
  return opens ? `${parts.join("; ")}: a review is needed` : "nothing opens"
}
