/** What a request to a git host looks like that pushes: one definition for the decision and for what compares policies. Pure. */

/** What its query has. */
export const PUSH_QUERY_WORD = "receive-pack"
/** What its path has, `$` being the path's end: a segment of that name, and not one that only begins so. */
export const PUSH_PATH_WORDS = ["/git-receive-pack$", "/git-receive-pack/", "/git-receive-pack;"] as const

/** `plain` is as decodeEscapes gives it. */
export function pushesByPath(plain: string): boolean {
  return PUSH_PATH_WORDS.some((word) =>
    word.endsWith("$") ? plain.endsWith(word.slice(0, -1)) : plain.includes(word),
  )
}

/** `query` as it came; null where there is none. */
export function pushesByQuery(query: string | null): boolean {
  return decodeEscapes(query ?? "").includes(PUSH_QUERY_WORD)
}

/** Escapes of bytes become characters, all in lower case: what is looked for is ASCII, so that no more is needed. */
export function decodeEscapes(text: string): string {
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return decoded.toLowerCase()
}
