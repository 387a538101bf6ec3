/** The lengths of a request's target between which the grants tell, each with a target of that length. Pure. */

import type { EgressGrant } from "../../contract/egress-grant.ts"
import type { PathPart } from "./divide-paths.ts"
import type { RequestClass } from "./request-classes.ts"

export interface TargetCase {
  /** Of path and query, the question mark included. */
  readonly bytes: number
  /** Null: there may be a target of such a length, and none is known. */
  readonly target: { readonly path: string; readonly query: string | null } | null
}

/** `literal`: a pattern without a star matches the part, so that all its paths have one length. */
export function listTargets(
  part: PathPart,
  asked: RequestClass,
  grants: readonly EgressGrant[],
  literal: boolean,
): readonly TargetCase[] {
  const shortest = { path: part.example, query: asked.query }
  const least = bytesOf(shortest)
  const limits = [...new Set(grants.flatMap(({ maxPathBytes }) => maxPathBytes ?? []))].sort(
    (left, right) => left - right,
  )
  const longer = limits.flatMap((limit, index): TargetCase[] => {
    const bytes = limit + 1
    const last = limits[index + 1] ?? Number.POSITIVE_INFINITY
    if (least >= bytes) return []
    if (asked.queryKind === "any" && asked.query !== null) {
      const query = asked.query + "q".repeat(bytes - least)
      return [{ bytes, target: { ...shortest, query } }]
    }
    if (literal) return []
    const target = stretchTo(part, asked, bytes)
    return [target && bytesOf(target) <= last ? { bytes: bytesOf(target), target } : { bytes, target: null }]
  })
  return [{ bytes: least, target: shortest }, ...longer]
}

function stretchTo(part: PathPart, { query }: RequestClass, bytes: number): TargetCase["target"] {
  if (!part.stretch) return null
  const { path, at, other } = part.stretch
  const missing = Math.max(0, bytes - bytesOf({ path, query }))
  return { path: path.slice(0, at) + other.repeat(missing) + path.slice(at), query }
}

function bytesOf({ path, query }: { readonly path: string; readonly query: string | null }): number {
  return path.length + (query === null ? 0 : query.length + 1)
}
