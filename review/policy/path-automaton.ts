/** Path patterns as one automaton that reads a path once for all of them: what contract/path-pattern.ts matches. */

/** Positions in the patterns that what was read so far may stand at; sorted, so that equal states are equal lists. */
export type PathState = readonly number[]

export interface PathAutomaton {
  readonly start: PathState
  /** The characters between which the patterns differ; any other one behaves as `other` does. */
  readonly alphabet: readonly string[]
  /** A character that no pattern spells. */
  readonly other: string
  step(state: PathState, character: string): PathState
  /** Indexes of the patterns that match what was read. */
  matched(state: PathState): readonly number[]
}

type Element = { readonly kind: "one"; readonly characters: string } | { readonly kind: "inside" | "rest" }

/** How far the text `%2f` has come that a star may not read: not begun, after `%`, after `%2`. */
const GUARDS = 3
const NICE = [..."xyzabcdefghijklmnopqrstuvwXYZABCDEFGHIJKLMNOPQRSTUVW0123456789-_~+@=,:!$&'()"]

export function readPatterns(patterns: readonly string[]): PathAutomaton {
  const elements: (Element | { readonly kind: "end"; readonly pattern: number })[] = []
  const starts = patterns.map((pattern, index) => {
    const start = elements.length
    elements.push(...elementsOf(pattern), { kind: "end", pattern: index })
    return start
  })
  const enter = (into: Set<number>, position: number, guard: number) => {
    let at = position
    into.add(at * GUARDS + guard)
    // a star may read nothing
    while (elements[at]?.kind === "inside" || elements[at]?.kind === "rest") {
      at += 1
      into.add(at * GUARDS + guard)
    }
  }
  const stepOne = (into: Set<number>, code: number, character: string) => {
    const guard = code % GUARDS
    const at = (code - guard) / GUARDS
    const element = elements[at]
    if (!element || element.kind === "end" || (guard === 2 && /f/i.test(character))) return
    const kept = guard === 1 && character === "2" ? 2 : 0
    if (element.kind === "one") {
      if (element.characters.includes(character)) enter(into, at + 1, kept)
    } else if (character !== "/" || element.kind === "rest") {
      enter(into, at, character === "%" ? 1 : kept)
    }
  }
  const start = new Set<number>()
  for (const position of starts) enter(start, position, 0)
  const spelled = spelledBy(patterns)
  const other = NICE.find((one) => !spelled.has(one)) ?? "x"
  return {
    start: sorted(start),
    alphabet: [...new Set([other, "/", ...spelled])],
    other,
    step: (state, character) => {
      const next = new Set<number>()
      for (const code of state) stepOne(next, code, character)
      return sorted(next)
    },
    matched: (state) => {
      const ends = state.map((code) => elements[Math.floor(code / GUARDS)])
      return [...new Set(ends.flatMap((one) => (one?.kind === "end" ? [one.pattern] : [])))].sort(byNumber)
    },
  }
}

function elementsOf(pattern: string): Element[] {
  const open = pattern.endsWith("/**")
  const fixed = open ? pattern.slice(0, -2) : pattern
  const parts = fixed.split("*").map((part) => {
    const folded = part.replace(/%2f/gi, "%2\0")
    return [...folded].map((one): Element => ({ kind: "one", characters: one === "\0" ? "fF" : one }))
  })
  const joined = parts.flatMap((part, index) => (index === 0 ? part : [{ kind: "inside" } as const, ...part]))
  return open ? [...joined, { kind: "rest" }] : joined
}

/** Where no pattern spells a percent sign, a star reads it as any other character, or it is a `%2f`, which none matches. */
function spelledBy(patterns: readonly string[]): Set<string> {
  const spelled = new Set([...patterns.join("")].filter((one) => one !== "*"))
  if (spelled.has("%")) for (const one of "2fF") spelled.add(one)
  return spelled
}

function sorted(codes: ReadonlySet<number>): PathState {
  return [...codes].sort(byNumber)
}

function byNumber(left: number, right: number): number {
  return left - right
}
