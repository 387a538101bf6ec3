/** From paths that were seen to the fewest patterns that are still honest about what was seen. Pure. */

/** What names one thing among many: numbers, long hexadecimal, UUIDs. */
const IDENTIFIER = /^(?:\d+|[0-9a-f]{8,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i
/** What a pattern can say of itself and of nothing else: a `*` that was meant would match more. */
const PLAIN = /^\/[A-Za-z0-9\-._~!$&'()+,;=:@%/]*$/
const MAX_LENGTH = 500

/** Whether a pattern can stand for exactly this path. */
export function isPlainPath(path: string): boolean {
  return path.length <= MAX_LENGTH && PLAIN.test(path)
}

/** A segment becomes `*` only where several paths differ in nothing but identifiers, and there. */
export function generalisePaths(paths: readonly string[]): readonly string[] {
  const alike = Map.groupBy(new Set(paths), (path) =>
    path
      .split("/")
      .map((segment) => (IDENTIFIER.test(segment) ? "*" : segment))
      .join("/"),
  )
  return [...alike.values()].map(merge).sort()
}

function merge(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split("/"))
  return first
    .map((segment, index) => (others.every((other) => other[index] === segment) ? segment : "*"))
    .join("/")
}
