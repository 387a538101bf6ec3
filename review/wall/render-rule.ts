/** A rule in words close to nft's own, so that a reader finds it again; bounded, since its author may be hostile. */

const LONGEST = 300

export function renderRule(statements: readonly unknown[], comment: string | undefined): string {
  const text = statements.map(renderStatement).join(" ")
  return shorten(comment === undefined ? text : `${text} comment ${JSON.stringify(comment)}`)
}

export function renderStatement(statement: unknown): string {
  const [[kind, body] = ["", null]] = Object.entries(Object(statement)) as [string, unknown][]
  if (kind === "match") {
    const { op, left, right } = Object(body) as Readonly<Record<string, unknown>>
    const sign = op === "==" || op === "in" ? "" : `${renderValue(op)} `
    return shorten(`${renderValue(left)} ${sign}${renderValue(right)}`)
  }
  if (kind === "vmap")
    return shorten(`${renderValue(Object(body)["key"])} vmap ${renderValue(Object(body)["data"])}`)
  if (kind === "jump" || kind === "goto") return shorten(`${kind} ${renderValue(Object(body)["target"])}`)
  // how many packets it has counted is of no interest here
  if (kind === "counter" && Object.hasOwn(Object(body), "packets")) return "counter"
  if (kind === "mangle")
    return shorten(`${renderValue(Object(body)["key"])} set ${renderValue(Object(body)["value"])}`)
  return shorten(body === null ? kind : `${kind} ${renderValue(body)}`)
}

function renderValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value)
  if (Array.isArray(value)) return value.slice(0, 12).map(renderValue).join(",")
  const fields = Object.entries(value) as [string, unknown][]
  const [[kind, body] = ["", null]] = fields
  const inner = Object(body) as Readonly<Record<string, unknown>>
  if (fields.length > 1) return fields.map(([key, one]) => `${key} ${renderValue(one)}`).join(" ")
  switch (kind) {
    case "payload":
      return inner["field"] === undefined
        ? `@${renderValue(body)}`
        : `${renderValue(inner["protocol"])} ${renderValue(inner["field"])}`
    case "meta":
    case "ct":
      return `${kind} ${Object.values(inner).map(renderValue).join(" ")}`
    case "range":
      return [body].flat().map(renderValue).join("-")
    case "prefix":
      return `${renderValue(inner["addr"])}/${renderValue(inner["len"])}`
    case "set":
      return `{ ${[body].flat().slice(0, 12).map(renderElement).join(", ")} }`
    case "concat":
      return [body].flat().map(renderValue).join(" . ")
    default:
      return body === null ? kind : `${kind} ${renderValue(body)}`
  }
}

function renderElement(element: unknown): string {
  return Array.isArray(element) && element.length === 2
    ? `${renderValue(element[0])} : ${renderValue(element[1])}`
    : renderValue(element)
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`
}
