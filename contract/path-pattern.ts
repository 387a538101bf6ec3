/** The patterns of egress rules for hosts and paths: what they match, nothing else. Pure. */

/** `*.example.com` matches exactly one label before `.example.com`; anything else only itself. */
export function matchesHost(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host
  const dot = host.indexOf(".")
  return dot > 0 && host.slice(dot + 1) === pattern.slice(2)
}

/**
 * `*` matches any run of characters inside a segment, `**` as the last segment any rest, also an empty one.
 * An encoded slash (`%2f`) ends a segment as a slash does: a pattern that means one spells it.
 */
export function matchesPath(pattern: string, path: string): boolean {
  let compiled = compiledPatterns.get(pattern)
  if (!compiled) {
    compiled = compilePath(pattern)
    // patterns come from the operator's files, so there are few of them
    compiledPatterns.set(pattern, compiled)
  }
  return compiled.test(path)
}

const compiledPatterns = new Map<string, RegExp>()
/** One character of a segment; linear, since it and `/` or `%2f` never match at one place. */
const INSIDE = "(?:[^/%]|%(?!2[fF]))"

function compilePath(pattern: string): RegExp {
  const open = pattern.endsWith("/**")
  const fixed = open ? pattern.slice(0, -2) : pattern
  const parts = fixed.split("*").map((part) =>
    part
      .split(/%2f/i)
      .map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"))
      .join("%2[fF]"),
  )
  return new RegExp(`^${parts.join(`${INSIDE}*`)}${open ? `(?:${INSIDE}|/)*` : ""}$`)
}
