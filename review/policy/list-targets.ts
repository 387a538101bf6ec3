/** The lengths of a request's target between which the grants tell, each with a target of that length. Pure. */

import type { EgressGrant } from "../../contract/egress-grant.ts"
import type { PathPart } from "./divide-paths.ts"
import type { RequestClass } from "./request-classes.ts"

interface Target {
  readonly path: string
  readonly query: string | null
}

export interface TargetCase {
  /** Of path and query, the question mark included. */
  readonly bytes: number
  /** Null: there may be a target of such a length, and none is known. */
  readonly target: Target | null
}

/** `literal`: a pattern without a star matches the part, so that all its paths have one length. */
export function listTargets(
  part: PathPart,
  asked: RequestClass,
  grants: readonly EgressGrant[],
  literal: boolean,
): readonly TargetCase[] {
  const { query } = asked
  const shortest = part.examples.map((path) => ({ path, query }))
  const limits = new Set(grants.flatMap(({ maxPathBytes }) => maxPathBytes ?? []))
  const sorted = [...limits].sort((left, right) => left - right)
  const longer = sorted.flatMap((limit, index): TargetCase[] => {
    const least = Math.min(...shortest.map(bytesOf))
    if (least > limit) return []
    if (asked.queryKind !== "any" && literal) return []
    const target = stretchTo(part, asked, limit + 1)
    const last = sorted[index + 1] ?? Number.POSITIVE_INFINITY
    const fits = target !== null && bytesOf(target) <= last
    return [fits ? { bytes: bytesOf(target), target } : { bytes: limit + 1, target: null }]
  })
  return [...shortest.map((target) => ({ bytes: bytesOf(target), target })), ...longer]
}

/** A target of at least `bytes`, as few more as can be. */
function stretchTo(part: PathPart, { query, queryKind }: RequestClass, bytes: number): Target | null {
  const path = part.examples[0] ?? ""
  const missing = (target: Target) => Math.max(0, bytes - bytesOf(target))
  // no rule names such a query, whatever its length
  if (queryKind === "any" && query !== null) {
    return { path, query: query + "q".repeat(missing({ path, query })) }
  }
  if (!part.stretch) return null
  const { path: text, at, other } = part.stretch
  const filling = other.repeat(missing({ path: text, query }))
  return { path: text.slice(0, at) + filling + text.slice(at), query }
}

function bytesOf({ path, query }: Target): number {
  return path.length + (query === null ? 0 : query.length + 1)
}
