/** From a licence as Debian's copyright files and npm's packages name it to an SPDX expression. */

import ids from "spdx-license-ids/index.json" with { type: "json" }

const BY_LOWER_CASE = new Map(ids.map((id) => [id.toLowerCase(), id]))

/** What DEP-5 calls otherwise than SPDX does; the rest differs in case or in how versions are spelt. */
const ALIASES: Readonly<Record<string, string>> = {
  expat: "MIT",
  artistic: "Artistic-1.0",
  perl: "(GPL-1.0-or-later OR Artistic-1.0-Perl)",
  cc0: "CC0-1.0",
  mpl: "MPL-1.0",
  unicode: "Unicode-DFS-2016",
}

export interface LicenseExpression {
  readonly expression: string
  /** Names that SPDX has no licence for, by the reference that stands for each in the expression. */
  readonly references: ReadonlyMap<string, string>
}

/** `words` such as `GPL-2+`, `Expat` or `GPL-1+ or Artistic`: all of them hold. */
export function licenseExpression(words: readonly string[]): LicenseExpression | null {
  const references = new Map<string, string>()
  const terms = [...new Set(words.map((word) => word.trim().replace(/\s+/g, " ")))]
    .filter((word) => word !== "")
    .map((word) => toExpression(word, references))
    .flatMap((term) => (inBrackets(term) === term ? splitOutside(term) : term))
  const distinct = [...new Set(terms)].sort()
  if (distinct.length === 0) return null
  const joined = distinct.length === 1 ? (distinct[0] ?? "") : distinct.map(inBrackets).join(" AND ")
  return { expression: joined, references }
}

/** In DEP-5 `and` binds closer than `or`, and a comma before either lets it bind last. */
function toExpression(text: string, references: Map<string, string>): string {
  // what npm and newer copyright files write is one already
  const clean = text.replace(/^\((.*)\)$/, "$1")
  const groups = clean.split(/,\s+(?!or\b)(?:and\s+)?/i).map((group) => {
    const choices = group.split(/,?\s+or\s+/i).map((choice) => {
      return choice
        .split(/\s+and\s+/i)
        .map((name) => nameLicense(name, references))
        .join(" AND ")
    })
    return choices.join(" OR ")
  })
  return groups.length === 1 ? (groups[0] ?? "") : groups.map(inBrackets).join(" AND ")
}

/** What is joined by AND outside of all brackets. */
function splitOutside(expression: string): string[] {
  const parts: string[] = []
  for (const part of expression.split(" AND ")) {
    const last = parts.at(-1)
    const isOpen = last !== undefined && last.split("(").length > last.split(")").length
    if (isOpen) parts[parts.length - 1] = `${last} AND ${part}`
    else parts.push(part)
  }
  return parts
}

/** Only an OR that stands outside of all brackets would be read otherwise beside an AND. */
function inBrackets(expression: string): string {
  let outside = expression
  while (/\([^()]*\)/.test(outside)) outside = outside.replace(/\([^()]*\)/g, "")
  return / OR /.test(outside) ? `(${expression})` : expression
}

function nameLicense(name: string, references: Map<string, string>): string {
  const key = name.trim().toLowerCase()
  const known = ALIASES[key] ?? BY_LOWER_CASE.get(key) ?? gnuLicense(key) ?? BY_LOWER_CASE.get(`${key}.0`)
  // GPL-2.0 and its like stand in the list as well, for what was written before -only and -or-later
  if (known !== undefined) return gnuLicense(known.toLowerCase()) ?? known
  const reference = `LicenseRef-${key.replace(/[^a-z0-9.]+/g, "-").replace(/^-+|-+$/g, "") || "unnamed"}`
  references.set(reference, name.trim())
  return reference
}

/** `gpl-2+` and `lgpl-2.1`. */
function gnuLicense(key: string): string | undefined {
  const [, family, version, plus] = /^(a?gpl|lgpl|gfdl)-(?:v)?(\d(?:\.\d)?)(\+?)$/.exec(key) ?? []
  if (family === undefined || version === undefined) return undefined
  const full = version.includes(".") ? version : `${version}.${family === "gfdl" ? "1" : "0"}`
  return BY_LOWER_CASE.get(`${family}-${full}-${plus === "+" ? "or-later" : "only"}`)
}
