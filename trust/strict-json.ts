/** JSON that means one thing to every reader: no key twice, and not too deep. */

/** Deeper than anything that is written here. */
const MAX_DEPTH = 64

export type StrictJson =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "refused"; readonly reason: string }

/**
 * Parses JSON and refuses an object that has a key twice: readers differ in which of the two counts, so that
 * what was verified would not be what another program reads.
 */
export function parseStrictJson(text: string): StrictJson {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return { kind: "refused", reason: `it is not JSON: ${reason.slice(0, 200)}` }
  }
  const reason = findAmbiguity(text)
  return reason === null ? { kind: "value", value } : { kind: "refused", reason }
}

/** What opens, closes and divides, and where a string begins; what lies between them is no key. */
const MARKS = /["{}[\],:]/g

/** Of a text that JSON.parse has taken, so that its marks stand where they must. */
function findAmbiguity(text: string): string | null {
  /** The keys of each open object; null for a list. */
  const open: (Set<string> | null)[] = []
  /** Where the string before this mark begins and ends. */
  let string: readonly [from: number, to: number] | null = null
  MARKS.lastIndex = 0
  for (let found = MARKS.exec(text); found !== null; found = MARKS.exec(text)) {
    const [mark] = found
    if (mark === "{" || mark === "[") open.push(mark === "{" ? new Set() : null)
    else if (mark === "}" || mark === "]") open.pop()
    else if (mark === ":") {
      const keys = open.at(-1)
      // spelt out: "a" and "\u0061" are one key
      const key = String(JSON.parse(string === null ? '""' : text.slice(...string)))
      if (keys?.has(key)) return `the key ${JSON.stringify(key.slice(0, 80))} stands twice in one object`
      keys?.add(key)
    }
    string = mark === '"' ? [found.index, endOfString(text, found.index)] : null
    if (string !== null) MARKS.lastIndex = string[1]
    if (open.length > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH}`
  }
  return null
}

/** Behind its closing quote. Not by a pattern: one that goes through a string of many megabytes runs out of stack. */
function endOfString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (text[quote - 1 - backslashes] === "\\") backslashes += 1
    if (backslashes % 2 === 0) return quote + 1
  }
  return text.length
}
