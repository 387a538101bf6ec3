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

/** Strings whole, and the marks that open, close and divide; what lies between them is no key. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

/** Of a text that JSON.parse has taken, so that its marks stand where they must. */
function findAmbiguity(text: string): string | null {
  /** The keys of each open object; null for a list. */
  const open: (Set<string> | null)[] = []
  let string: string | null = null
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : null)
    else if (token === "}" || token === "]") open.pop()
    else if (token === ":") {
      const keys = open.at(-1)
      // spelt out: "a" and "\u0061" are one key
      const key = String(JSON.parse(string ?? '""'))
      if (keys?.has(key)) return `the key ${JSON.stringify(key.slice(0, 80))} stands twice in one object`
      keys?.add(key)
    }
    string = token.startsWith('"') ? token : null
    if (open.length > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH}`
  }
  return null
}
