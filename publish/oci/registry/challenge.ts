/** Reads `WWW-Authenticate`: what a registry wants to see before it answers. */

export type Challenge =
  | { readonly scheme: "basic" }
  | {
      readonly scheme: "bearer"
      /** Where tokens are given. */
      readonly realm: string
      readonly service: string | null
      readonly scope: string | null
    }

const MAX_HEADER = 8192
/** A scheme, or a name with its value, quoted or not (RFC 9110, 11.6.1). */
const PART = /([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*)))?/g

/** The first challenge that stereo can meet, a token before a password; null if there is none. */
export function parseChallenge(header: string): Challenge | null {
  const challenges: { scheme: string; fields: Map<string, string> }[] = []
  for (const [, name = "", quoted, plain] of header.slice(0, MAX_HEADER).matchAll(PART)) {
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), fields: new Map() })
    else challenges.at(-1)?.fields.set(name.toLowerCase(), value)
  }
  const bearer = challenges.find(({ scheme, fields }) => scheme === "bearer" && fields.has("realm"))
  if (bearer !== undefined) {
    const { fields } = bearer
    const field = (name: string) => fields.get(name) ?? null
    return { scheme: "bearer", realm: field("realm") ?? "", service: field("service"), scope: field("scope") }
  }
  return challenges.some(({ scheme }) => scheme === "basic") ? { scheme: "basic" } : null
}
