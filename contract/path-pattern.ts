/** The patterns of egress rules for hosts and paths: what they match, nothing else. Pure. */

import { isPublicSuffix } from "./egress-host.ts"

/**
 * `*.example.com` matches exactly one label before `.example.com`; anything else only itself. A name under which
 * others may register or rent names is matched by no star, even where the star's own domain is one party's.
 */
export function matchesHost(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host
  const dot = host.indexOf(".")
  return dot > 0 && host.slice(dot + 1) === pattern.slice(2) && !isPublicSuffix(host)
}

/**
 * Whether a grant's host is meant. An `xn--` label shows a reader other letters than it has, so a grant matches one
 * only where it spells it; a denial matches it as any other.
 */
export function matchesGrantedHost(pattern: string, host: string): boolean {
  return matchesHost(pattern, host) && (pattern === host || !host.startsWith("xn--"))
}

/**
 * `*` matches any run of characters inside a segment, `**` as the last segment any rest, also an empty one.
 * An encoded slash (`%2f`) ends a segment as a slash does, and only a pattern that spells it matches it. An escape is
 * one character: no star ends inside it. The time is linear in the path, whose bytes a guest chooses.
 */
export function matchesPath(pattern: string, path: string): boolean {
  // a path is ASCII by now; what stands for an escape below must not stand for itself, too
  if (/[^!-~]/.test(path)) return false
  const wanted = pieces(pattern)
  const found = pieces(path)
  const open = wanted.at(-1) === "**"
  const fixed = open ? wanted.length - 1 : wanted.length
  if (open ? found.length < fixed + 1 : found.length !== fixed) return false
  if (!wanted.slice(0, fixed).every((piece, index) => matchesPiece(piece, found[index] ?? ""))) return false
  return !found.slice(fixed).includes(ENCODED_SLASH)
}

const ENCODED_SLASH = "\u012f"

/** Segments and what parts them, in turn; each escape is one character beyond ASCII. */
function pieces(text: string): readonly string[] {
  return text
    .replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
      String.fromCharCode(0x100 + Number.parseInt(hex, 16)),
    )
    .split(/([/\u012f])/)
}

/** Each text between stars at its first place after the one before: if any way matches, this one does. */
function matchesPiece(pattern: string, found: string): boolean {
  const [first = "", ...rest] = pattern.split("*")
  const last = rest.pop()
  if (last === undefined) return pattern === found
  if (found.length < first.length + last.length) return false
  if (!found.startsWith(first) || !found.endsWith(last)) return false
  let at = first.length
  for (const text of rest) {
    const next = found.indexOf(text, at)
    if (next === -1) return false
    at = next + text.length
  }
  return at <= found.length - last.length
}
