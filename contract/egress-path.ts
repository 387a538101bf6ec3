/** Paths that mean one thing only: what makes a path ambiguous, and which patterns a rule may hold. Pure. */

/**
 * `\ . NUL %` spelled in percent, and `/` spelled so twice: what a server might decode into another path. A slash
 * encoded once goes on to the decision, where only a pattern that spells it matches (npm's scoped packages).
 */
const ENCODED_GAMES = /%(?:2e|5c|00|25(?:25)*(?:2e|2f|5c|00))/i
/** Letters, digits and marks that no client encodes. */
const NEEDLESS_ESCAPE = /%(?:2d|3\d|[46][1-9a-f]|[57][0-9a]|5f|7e)/i

/** How a path without its query could be read in two ways, as the rest of a sentence; null for a plain one. */
export function describeAmbiguousPath(path: string): string | null {
  if (!path.startsWith("/")) return "does not begin with a slash"
  if (!/^[!-~]+$/.test(path) || /[\\"<>^`{|}]/.test(path)) return "holds characters that a URL may not"
  if (ENCODED_GAMES.test(path)) return "holds an encoded dot, backslash or NUL, or a slash encoded twice"
  if (/%(?![0-9a-f]{2})/i.test(path)) return "holds a broken percent escape"
  // a server that decodes the slash must find no such segment either
  if (/\/\.{1,2}(?:\/|;|$)|\/\//.test(path.replace(/%2f/gi, "/"))) return "holds a dot or empty segment"
  return null
}

/** What is wrong with the path pattern of a rule, in words; null for a good one. */
export function describeBadPathPattern(pattern: string): string | null {
  if (/[?#]/.test(pattern)) return "a path ends before ? and #; what follows is a matter of the key query"
  const ambiguous = describeAmbiguousPath(pattern)
  if (ambiguous) return `expected a path such as /v1/messages, /v1/files/* or /pkg/**; this one ${ambiguous}`
  if (NEEDLESS_ESCAPE.test(pattern)) return "spells a plain character in percent, as no client does"
  const segments = pattern.split(/\/|%2f/i)
  const doubled = segments.findIndex((segment) => segment.includes("**"))
  if (doubled === -1) return null
  if (segments[doubled] !== "**") return "two stars stand alone in a segment: /pkg/** and not /pkg/a**"
  if (doubled < segments.length - 1 || !pattern.endsWith("/**")) {
    return "two stars stand only at the end: they are any rest"
  }
  return null
}
