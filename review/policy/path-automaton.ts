/** Path patterns as one automaton that reads a path once for all of them: what contract/path-pattern.ts matches. */

/** Positions in the patterns that what was read so far may stand at; sorted, so that equal states are equal lists. */
export type PathState = readonly number[]

export interface PathAutomaton {
  readonly start: PathState
  /** What paths are made of, as far as the patterns can tell: any other character or escape behaves as `other` does. */
  readonly alphabet: readonly string[]
  /** A character that no pattern spells. */
  readonly other: string
  /** `sign` is a character, or an escape with lower-case digits. */
  step(state: PathState, sign: string): PathState
  /** Indexes of the patterns that match what was read. */
  matched(state: PathState): readonly number[]
}

type Element =
  | { readonly kind: "sign"; readonly signs: readonly string[] }
  | { readonly kind: "inside" | "rest" | "anything" }
  | { readonly kind: "end"; readonly pattern: number }

const STARS: ReadonlySet<Element["kind"] | undefined> = new Set(["inside", "rest", "anything"] as const)
const ENCODED_SLASH = "%2f"
const NICE = [..."xyzabcdefghijklmnopqrstuvwXYZABCDEFGHIJKLMNOPQRSTUVW0123456789-_~+@=,:!$&'()"]

/**
 * `words` count as patterns behind the others: of all paths in which one is found, in whatever case or escape; a `$`
 * at a word's end stands for the path's.
 */
export function readPatterns(patterns: readonly string[], words: readonly string[] = []): PathAutomaton {
  const elements: Element[] = []
  const enter = (into: Set<number>, position: number) => {
    let at = position
    into.add(at)
    // a star may read nothing
    while (STARS.has(elements[at]?.kind)) into.add(++at)
  }
  const starts = [...patterns.map(elementsOf), ...words.map(elementsOfWord)].map((ofOne, index) => {
    const start = elements.length
    elements.push(...ofOne, { kind: "end", pattern: index })
    return start
  })
  const start = new Set<number>()
  for (const position of starts) enter(start, position)
  const stepOne = (into: Set<number>, at: number, sign: string) => {
    const element = elements[at]
    if (element?.kind === "sign" && element.signs.includes(sign)) enter(into, at + 1)
    if (element?.kind === "anything") enter(into, at)
    if (element?.kind === "inside" && sign !== "/" && sign !== ENCODED_SLASH) enter(into, at)
    if (element?.kind === "rest" && sign !== ENCODED_SLASH) enter(into, at)
  }
  const spelled = new Set(elements.flatMap((one) => (one.kind === "sign" ? one.signs : [])))
  const other = NICE.find((one) => !spelled.has(one)) ?? "x"
  return {
    start: sorted(start),
    alphabet: [...new Set([other, "/", ...spelled])],
    other,
    step: (state, sign) => {
      const next = new Set<number>()
      for (const at of state) stepOne(next, at, sign)
      return sorted(next)
    },
    matched: (state) => {
      return state.flatMap((at) => {
        const element = elements[at]
        return element?.kind === "end" ? [element.pattern] : []
      })
    },
  }
}

/** A text's characters, an escape being one of them. */
export function signsOf(text: string): string[] {
  return (text.match(/%[0-9a-f]{2}|./gis) ?? []).map((sign) => (sign.length > 1 ? sign.toLowerCase() : sign))
}

function elementsOf(pattern: string): Element[] {
  const open = /(?:\/|%2f)\*\*$/i.test(pattern)
  const fixed = signsOf(open ? pattern.slice(0, -2) : pattern).map((sign): Element => {
    return sign === "*" ? { kind: "inside" } : { kind: "sign", signs: [sign] }
  })
  return open ? [...fixed, { kind: "rest" }] : fixed
}

function elementsOfWord(word: string): Element[] {
  const closed = word.endsWith("$")
  const letters = [...(closed ? word.slice(0, -1) : word)].map((letter): Element => {
    const cases = [...new Set([letter.toLowerCase(), letter.toUpperCase()])]
    const escapes = cases.map((one) => `%${one.charCodeAt(0).toString(16).padStart(2, "0")}`)
    return { kind: "sign", signs: [...cases, ...escapes] }
  })
  return [{ kind: "anything" }, ...letters, ...(closed ? [] : [{ kind: "anything" } as const])]
}

function sorted(positions: ReadonlySet<number>): PathState {
  return [...positions].sort((left, right) => left - right)
}
