/** Divides all paths by which of some patterns match them: exactly, with an example of each part. Pure. */

import { type PathState, readPatterns } from "./path-automaton.ts"
import { isPlain, PLAIN_START, type PlainState, stepPlain } from "./plain-path.ts"

/** The paths that the same patterns match, and no other pattern does. */
export interface PathPart {
  /** Indexes of those patterns. */
  readonly patterns: readonly number[]
  /** The shortest of its paths, of those that the gateway takes if it has any. */
  readonly example: string
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

export function dividePaths(patterns: readonly string[]): DividedPaths {
  const { start, alphabet, other, step, matched } = readPatterns(patterns)
  const parts = new Map<string, Found>()
  const seen = new Set<string>()
  const queue: Walk[] = []
  const visit = (walk: Walk) => {
    if (walk.state.length === 0) return
    const loops = same(step(walk.state, other), walk.state) && stepPlain(walk.plain, other) === walk.plain
    const here = walk.at === null && loops ? { ...walk, at: walk.path.length } : walk
    const key = `${here.state.join(",")} ${here.plain} ${here.at === null}`
    if (seen.has(key)) return
    seen.add(key)
    queue.push(here)
  }
  visit({ state: start, plain: PLAIN_START, path: "", at: null })
  // shortest first; the queue grows while it is read
  for (const walk of queue) {
    if (queue.length > MOST_STATES) break
    const found = matched(walk.state)
    if (found.length > 0) keep(parts, found, { ...walk, other })
    for (const character of alphabet) {
      const plain = stepPlain(walk.plain, character)
      visit({ state: step(walk.state, character), plain, path: walk.path + character, at: walk.at })
    }
  }
  return { parts: [...parts.values()].map(toPart), complete: queue.length <= MOST_STATES }
}

interface Found {
  readonly patterns: readonly number[]
  example: { readonly path: string; readonly plain: boolean }
  stretch: (NonNullable<PathPart["stretch"]> & { readonly plain: boolean }) | null
}

function keep(
  parts: Map<string, Found>,
  patterns: readonly number[],
  walk: Walk & { readonly other: string },
): void {
  const { path, at, other } = walk
  const plain = isPlain(walk.plain)
  const key = patterns.join(",")
  const part = parts.get(key) ?? { patterns, example: { path, plain }, stretch: null }
  parts.set(key, part)
  if (plain && !part.example.plain) part.example = { path, plain }
  if (at !== null && (part.stretch === null || (plain && !part.stretch.plain))) {
    part.stretch = { path, at, other, plain }
  }
}

function toPart({ patterns, example, stretch }: Found): PathPart {
  const stretched = stretch && { path: stretch.path, at: stretch.at, other: stretch.other }
  return { patterns, example: example.path, stretch: stretched }
}

function same(left: PathState, right: PathState): boolean {
  return left.length === right.length && left.every((code, index) => code === right[index])
}
