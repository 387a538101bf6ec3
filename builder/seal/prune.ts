/** Decides which paths of a root file system go, and which rule says so. */

export interface PruneRule {
  readonly items: readonly string[]
  readonly keep: readonly string[]
  readonly why: string
}

/**
 * Gives the index of the rule that removes a path, or null; a pattern also takes all below what it names.
 * What `kept` names, no rule removes.
 */
export function compilePrune(
  rules: readonly PruneRule[],
  kept: readonly string[] = [],
): (path: string) => number | null {
  const always = union(kept)
  const compiled = rules.map(({ items, keep }) => ({ remove: union(items), keep: union(keep) }))
  return (path) => {
    if (always.test(path)) return null
    const index = compiled.findIndex(({ remove, keep }) => remove.test(path) && !keep.test(path))
    return index === -1 ? null : index
  }
}

/** Whether one of the patterns names a path, or a folder above it. */
export function matchesOf(patterns: readonly string[]): (path: string) => boolean {
  const all = union(patterns)
  return (path) => all.test(path)
}

function union(patterns: readonly string[]): RegExp {
  return patterns.length === 0 ? /(?!)/ : new RegExp(`^(?:${patterns.map(translate).join("|")})(?:/.*)?$`)
}

/** `*` and `?` stop at a slash, `**` does not, `{a,b}` is a choice. */
function translate(pattern: string): string {
  return pattern.replace(/\*\*|[*?{},]|[.+^$()|[\]\\]/g, (token) => {
    switch (token) {
      case "**":
        return ".*"
      case "*":
        return "[^/]*"
      case "?":
        return "[^/]"
      case "{":
        return "(?:"
      case "}":
        return ")"
      case ",":
        return "|"
      default:
        return `\\${token}`
    }
  })
}
