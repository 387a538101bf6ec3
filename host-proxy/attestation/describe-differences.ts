/** What differs between two canonical texts of contract/, in words: which rules and units, and how. Pure. */

/** More are counted. */
const SHOWN = 3
const LONGEST = 240

type Item = Readonly<Record<string, unknown>>

/** `found` and `expected` are texts of canonicalRuleset. */
export function describeRulesetDifferences(expected: string, found: string): string {
  return describe(itemsOf(expected), itemsOf(found), nameObject)
}

/** `found` and `expected` are texts of renderUnitSet. */
export function describeUnitDifferences(expected: string, found: string): string {
  const [promised, there] = [itemsOf(expected), itemsOf(found)]
  const paths = new Set(there.map(pathOf))
  const known = new Set(promised.map(pathOf))
  // a unit whose content alone differs is said once, not as one that is missing and another that is new
  const changed = there.filter((line) => known.has(pathOf(line)) && !promised.includes(line)).map(pathOf)
  const parts = [
    list(
      "new",
      there.map(pathOf).filter((path) => !known.has(path)),
    ),
    list(
      "missing",
      promised.map(pathOf).filter((path) => !paths.has(path)),
    ),
    list("changed", changed),
  ]
  return parts.filter((part) => part !== "").join("; ")
}

function describe(expected: string[], found: string[], name: (line: string) => string): string {
  const missing = without(expected, found)
  const added = without(found, expected)
  if (missing.length === 0 && added.length === 0) {
    const at = found.findIndex((line, index) => line !== expected[index])
    return at === -1 ? "" : `the same objects in another order, from ${name(found[at] ?? "")} on`
  }
  const parts = [list("missing", missing.map(name)), list("not promised", added.map(name))]
  return parts.filter((part) => part !== "").join("; ")
}

function list(title: string, names: readonly string[]): string {
  if (names.length === 0) return ""
  const rest = names.length > SHOWN ? `, and ${names.length - SHOWN} more` : ""
  return `${title}: ${names.slice(0, SHOWN).join(", ")}${rest}`
}

/** Each as often as it stands in `from` more than in `other`. */
function without(from: readonly string[], other: readonly string[]): string[] {
  const left = new Map<string, number>()
  for (const line of other) left.set(line, (left.get(line) ?? 0) + 1)
  return from.filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}

/** The lines between the brackets. */
function itemsOf(text: string): string[] {
  return text
    .split("\n")
    .slice(1, -2)
    .map((line) => line.replace(/,$/, ""))
}

function pathOf(line: string): string {
  return clip(String((JSON.parse(line) as Item)["path"]))
}

/** Such as `rule of inet stereo output: meta skuid == 990 accept`. */
function nameObject(line: string): string {
  const [[kind, body] = ["object", {}]] = Object.entries(JSON.parse(line) as Record<string, Item>)
  const { family, table, chain, name, expr, ...more } = body
  if (kind !== "rule") {
    const place = [family, table, name].filter((part) => part !== undefined).join(" ")
    return clip(`${kind} ${place} ${Object.keys(more).length > 0 ? JSON.stringify(more) : ""}`.trim())
  }
  const statements = Array.isArray(expr) ? expr.map((part) => nameStatement(part)).join(" ") : ""
  return clip(`rule of ${family} ${table} ${chain}: ${statements}`)
}

/** As nft would write it, where that is simple; otherwise as its JSON. */
function nameStatement(statement: unknown): string {
  if (!isItem(statement)) return JSON.stringify(statement)
  const [[word = "", body] = []] = Object.entries(statement)
  if (word === "match" && isItem(body)) {
    return `${nameValue(body["left"])} ${body["op"]} ${nameValue(body["right"])}`
  }
  if (body === null) return word
  if (isItem(body) && typeof body["target"] === "string") return `${word} ${body["target"]}`
  return word === "counter" && typeof body === "string" ? `counter name ${body}` : JSON.stringify(statement)
}

function nameValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value)
  if (!isItem(value)) return JSON.stringify(value)
  const { meta, ct, payload, prefix } = value
  if (isItem(meta)) return `meta ${meta["key"]}`
  if (isItem(ct)) return `ct ${ct["key"]}`
  if (isItem(payload) && "protocol" in payload) return `${payload["protocol"]} ${payload["field"]}`
  return isItem(prefix) ? `${prefix["addr"]}/${prefix["len"]}` : JSON.stringify(value)
}

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A guest chose the words: they go into a log and onto a terminal. */
function clip(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, "?")
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain
}
