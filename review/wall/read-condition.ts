/** What a match, a set or a map asks of a packet, as boxes. */

import { type IntervalSet, intersect } from "./interval.ts"
import type { PartialBox } from "./packet-space.ts"
import { parseValues } from "./parse-values.ts"
import { type Field, type FieldContext, readField } from "./read-field.ts"
import type { Statement } from "./statement.ts"

/** What expressions of a rule refer to. */
export interface RuleContext extends FieldContext {
  /** Elements of the named sets and maps of the rule's table; null where packets may change them. */
  readonly sets: ReadonlyMap<string, readonly unknown[] | null>
  /** How many elements may still be read, of all rules together: many rules may name one large set. */
  readonly elements: { left: number }
}

export interface Lookup {
  readonly must: PartialBox
  /** The box of each element, with what a map has for it. */
  readonly elements: readonly { readonly when: PartialBox; readonly data: unknown }[]
}

const HIGHEST = 2n ** 128n - 1n
/** A map of more than one field is compared with itself, element by element. */
const MOST_COMPARED = 500

/** Null when something in it is not understood. */
export function readMatch(match: unknown, context: RuleContext): Statement | null {
  const { op, left, right, ...more } = Object(match) as Readonly<Record<string, unknown>>
  if (typeof op !== "string" || Object.keys(more).length > 0) return null
  const inverted = op === "!=" || op === "!"
  const isSet = typeof right === "string" ? right.startsWith("@") : Object.hasOwn(Object(right), "set")
  if (isSet) {
    if (op !== "==" && op !== "!=") return null
    // "@x" is also how nft prints an interface of that name
    if (typeof right === "string" && readField(left, context)?.values.kind === "interface") return null
    const lookup = readLookup(left, right, context)
    if (lookup === null || lookup.elements.some(({ data }) => data !== null)) return null
    return { kind: "match", must: lookup.must, any: lookup.elements.map(({ when }) => when), inverted }
  }
  const field = readField(left, context)
  const values = field && readComparison(op, right, field)
  if (field === null || values === null) return null
  return { kind: "match", must: field.must, any: [{ [field.dimension]: values }], inverted }
}

function readComparison(op: string, right: unknown, field: Field): IntervalSet | null {
  // a list means "one of these bits", and of the fields understood only the state is made of bits
  const bits = op === "in" || op === "!"
  if (bits ? field.values.kind !== "state" : Array.isArray(right)) return null
  const values = parseValues(right, field.values)
  if (values === null || bits || op === "==" || op === "!=") return values
  const [[low, high] = [0n, -1n]] = values
  const orders =
    field.values.kind === "number" || field.values.kind === "ipv4" || field.values.kind === "ipv6"
  if (!orders || values.length !== 1 || low !== high) return null
  switch (op) {
    case "<":
      return low === 0n ? [] : [[0n, low - 1n]]
    case "<=":
      return [[0n, low]]
    case ">":
      return [[low + 1n, HIGHEST]]
    case ">=":
      return [[low, HIGHEST]]
    default:
      return null
  }
}

/** A key with the elements of a set or map, named or not; null when something in it is not understood. */
export function readLookup(key: unknown, data: unknown, context: RuleContext): Lookup | null {
  const fields = readKey(key, context)
  const elements = fields && readElements(data, context)
  if (!fields || !elements) return null
  context.elements.left -= elements.length
  if (context.elements.left < 0) return null
  const read = elements.map((element) => readElement(element, fields))
  const known = read.filter((one) => one !== null)
  if (known.length < read.length || (fields.length > 1 && mayDepend(known))) return null
  return { must: fields.map((field) => field.must).reduce(meet), elements: known }
}

/**
 * Elements of such a map may overlap, and then the one that was added first counts. An image's listing has them in
 * another order.
 */
function mayDepend(elements: Lookup["elements"]): boolean {
  const outcomes = elements.map(({ data }) => JSON.stringify(data))
  if (outcomes.every((one) => one === outcomes[0])) return false
  if (elements.length > MOST_COMPARED) return true
  return elements.some((one, index) =>
    elements.slice(0, index).some((other, earlier) => {
      if (outcomes[earlier] === outcomes[index]) return false
      return Object.values(meet(one.when, other.when)).every((set) => set.length > 0)
    }),
  )
}

function readKey(key: unknown, context: RuleContext): readonly Field[] | null {
  const parts = Object(key)["concat"] as unknown
  const fields = (Array.isArray(parts) ? parts : [key]).map((part) => readField(part, context))
  const known = fields.filter((field) => field !== null)
  const dimensions = new Set(known.map((field) => field.dimension))
  return known.length < fields.length || known.length === 0 || dimensions.size < known.length ? null : known
}

function readElements(data: unknown, context: RuleContext): readonly unknown[] | null {
  if (typeof data === "string") return data.startsWith("@") ? (context.sets.get(data.slice(1)) ?? null) : null
  const inline = Object(data)["set"] as unknown
  if (inline === undefined) return null
  return Array.isArray(inline) ? inline : [inline]
}

/** `[KEY, DATA]` of a map, or a key. */
function readElement(element: unknown, fields: readonly Field[]) {
  const [wrapped, data] = Array.isArray(element) && element.length === 2 ? element : [element, null]
  const key = unwrap(wrapped)
  const parts = fields.length === 1 ? [key] : (Object(key)["concat"] as unknown)
  if (!Array.isArray(parts) || parts.length !== fields.length) return null
  const when: Partial<Record<string, IntervalSet>> = {}
  for (const [index, field] of fields.entries()) {
    const values = parseValues(parts[index], field.values)
    if (values === null) return null
    when[field.dimension] = values
  }
  return { when: when as PartialBox, data: unwrap(data) as unknown }
}

/** An element may carry a comment or a counter; one that expires is not understood. */
function unwrap(element: unknown): unknown {
  const inner = Object(element)["elem"] as unknown
  if (inner === undefined) return element
  const odd = Object.keys(Object(inner)).some((key) => !["val", "comment", "counter"].includes(key))
  return odd ? null : Object(inner)["val"]
}

export function meet(left: PartialBox, right: PartialBox): PartialBox {
  const met: Partial<Record<string, IntervalSet>> = { ...left }
  for (const [dimension, set] of Object.entries(right)) {
    const other = met[dimension]
    met[dimension] = other === undefined ? set : intersect(other, set)
  }
  return met as PartialBox
}
