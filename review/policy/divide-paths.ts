/**
 * Divides all paths by which of some patterns match them: exactly, with an example of each part. Pure.
 * A path with a broken escape is none: the gateway refuses it before it asks for a rule.
 */

import { type PathState, readPatterns } from "./path-automaton.ts"
import { isPlain, type PlainState, stepPlain } from "./plain-path.ts"

/** The paths that the same patterns match, and no other pattern does. */
export interface PathPart {
  /** Indexes of those patterns. */
  readonly patterns: readonly number[]
  /** Its shortest path; before it the shortest that the gateway takes, where it does not take that one. */
  readonly examples: readonly string[]
  /** A path of it that stays in it when `other` is put in at `at`, any number of times. */
  readonly stretch: { readonly path: string; readonly at: number; readonly other: string } | null
}

export interface DividedPaths {
  readonly parts: readonly PathPart[]
  /** False: there are too many parts to tell; those given are right, others may be missing. */
  readonly complete: boolean
}

interface Walk {
  readonly state: PathState
  readonly plain: PlainState
  readonly path: string
  /** Where the path may be stretched. */
  readonly at: number | null
}

const MOST_STATES = 20_000

/** `words` count as patterns behind the others: of all paths in which one is found, in whatever case or escape. */
export function dividePaths(patterns: readonly string[], words: readonly string[] = []): DividedPaths {
  const { start, alphabet, other, step, matched } = readPatterns(patterns, words)
  const parts = new Map<string, Found>()
  const seen = new Set<string>()
  // by length in bytes, so that the first path of a part is its shortest
  const byLength: (Walk[] | undefined)[] = [[{ state: start, plain: "begin", path: "", at: null }]]
  const visit = (walk: Walk) => {
    const loops = same(step(walk.state, other), walk.state) && stepPlain(walk.plain, other) === walk.plain
    const here = walk.at === null && loops ? { ...walk, at: walk.path.length } : walk
    const key = `${here.state.join(",")} ${here.plain} ${here.at === null}`
    if (seen.has(key)) return
    seen.add(key)
    const found = matched(here.state)
    if (found.length > 0) keep(parts, found, here, other)
    for (const sign of alphabet) {
      const state = step(here.state, sign)
      const path = here.path + sign
      const next = { state, plain: stepPlain(here.plain, sign), path, at: here.at }
      const bucket = byLength[path.length] ?? []
      byLength[path.length] = bucket
      if (state.length > 0) bucket.push(next)
    }
  }
  for (let length = 0; length < byLength.length; length += 1) {
    for (const walk of byLength[length] ?? []) {
      if (seen.size > MOST_STATES) return { parts: [...parts.values()].map(toPart), complete: false }
      visit(walk)
    }
    byLength[length] = undefined
  }
  return { parts: [...parts.values()].map(toPart), complete: true }
}

interface Found {
  readonly patterns: readonly number[]
  readonly shortest: string
  plain: string | null
  stretch: (NonNullable<PathPart["stretch"]> & { readonly plain: boolean }) | null
}

function keep(
  parts: Map<string, Found>,
  patterns: readonly number[],
  { path, plain: state, at }: Walk,
  other: string,
): void {
  const plain = isPlain(state)
  const key = patterns.join(",")
  const part = parts.get(key) ?? { patterns, shortest: path, plain: null, stretch: null }
  parts.set(key, part)
  if (plain) part.plain ??= path
  if (at !== null && (part.stretch === null || (plain && !part.stretch.plain))) {
    part.stretch = { path, at, other, plain }
  }
}

function toPart({ patterns, shortest, plain, stretch }: Found): PathPart {
  const stretched = stretch && { path: stretch.path, at: stretch.at, other: stretch.other }
  const examples = plain === null ? [shortest] : [...new Set([plain, shortest])]
  return { patterns, examples, stretch: stretched }
}

function same(left: PathState, right: PathState): boolean {
  return left.length === right.length && left.every((position, index) => position === right[index])
}
