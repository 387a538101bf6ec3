/** Reads the top level of `nft -j list ruleset`: tables, chains, rules and sets; statements stay as they are. */

import { z } from "zod"
import { Fault } from "../../contract/fault.ts"
import type { Construct } from "./statement.ts"

const LARGEST_ENTRIES = 10_000
const DEEPEST = 40
const MOST_BASE_CHAINS = 200

/** No blanks: chains are told apart by `FAMILY TABLE CHAIN`. */
const name = z.string().regex(/^[\x21-\x7e]{1,256}$/, "expected a name of 1 to 256 printable characters")
const flags = z.union([name, z.array(name).max(16)]).transform((one) => [one].flat())
const place = { family: name, table: name }
const table = z.object({ family: name, name, flags: flags.default([]) })
const chain = z.object({
  ...{ ...place, name },
  type: name.optional(),
  hook: name.optional(),
  prio: z.int().optional(),
  policy: name.optional(),
  dev: z
    .union([name, z.array(name).max(64)])
    .transform((one) => [one].flat())
    .optional(),
})
const rule = z.object({
  ...{ ...place, chain: name },
  comment: z.string().max(4096).optional(),
  expr: z.array(z.record(z.string(), z.unknown())).max(256),
})
const set = z.object({
  ...{ ...place, name },
  flags: flags.default([]),
  elem: z.array(z.unknown()).max(LARGEST_ENTRIES).default([]),
})

/** What nft may say of each kind beyond what is read here, without a meaning for any packet. */
const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  table: ["family", "name", "handle", "flags", "comment"],
  chain: ["family", "table", "name", "handle", "type", "hook", "prio", "policy", "dev", "comment"],
  rule: ["family", "table", "chain", "handle", "index", "comment", "expr"],
  set: [
    "family",
    "name",
    "table",
    "type",
    "handle",
    "flags",
    "elem",
    "size",
    "policy",
    "auto-merge",
    "comment",
  ],
  map: ["family", "name", "table", "type", "map", "handle", "flags", "elem", "size", "policy", "comment"],
}

export interface Listing {
  readonly tables: readonly z.infer<typeof table>[]
  readonly chains: readonly z.infer<typeof chain>[]
  readonly rules: readonly z.infer<typeof rule>[]
  /** Named sets and maps. */
  readonly sets: readonly z.infer<typeof set>[]
  readonly constructs: readonly Construct[]
}

/** Fault: `review/bad-ruleset`, whatever the bytes were. */
export function parseListing(document: unknown): Listing {
  refuseDeep(document)
  const entries = read(
    z.object({ nftables: z.array(z.record(z.string(), z.unknown())) }),
    document,
    "",
  ).nftables
  if (entries.length > LARGEST_ENTRIES) throw bad(`it has ${entries.length} entries`)
  const found = { tables: [], chains: [], rules: [], sets: [], constructs: [] } as Mutable
  entries.forEach((entry, index) => {
    const [kind = "", ...more] = Object.keys(entry)
    const where = `nftables[${index}].${kind.slice(0, 40)}`
    if (more.length > 0) throw bad(`${where}: one kind an entry was expected`)
    readEntry(found, kind, entry[kind], where)
  })
  refuseDoubles(found)
  const bases = found.chains.filter(({ hook }) => hook !== undefined).length
  if (bases > MOST_BASE_CHAINS) throw bad(`it has ${bases} base chains`)
  return found
}

type Mutable = { -readonly [Key in keyof Listing]: Listing[Key][number][] }

function readEntry(found: Mutable, kind: string, entry: unknown, where: string): void {
  // a counter object counts, and nothing else
  if (kind === "metainfo" || kind === "counter") return
  switch (kind) {
    case "table":
      found.tables.push(read(table, entry, where))
      break
    case "chain":
      found.chains.push(read(chain, entry, where))
      break
    case "rule":
      found.rules.push(read(rule, entry, where))
      break
    case "set":
    case "map":
      found.sets.push(read(set, entry, where))
      break
    default:
      found.constructs.push({ where, what: `an object of kind "${kind.slice(0, 40)}"` })
      return
  }
  const odd = Object.keys(Object(entry)).find((key) => !KNOWN_KEYS[kind]?.includes(key))
  if (odd !== undefined) found.constructs.push({ where, what: `"${odd.slice(0, 40)}" of a ${kind}` })
}

/** Two chains or sets of one name would make it a matter of luck which one is meant. */
function refuseDoubles(found: Mutable): void {
  for (const list of [found.chains, found.sets]) {
    const names = list.map((one) => JSON.stringify([one.family, one.table, one.name]))
    const seen = new Set<string>()
    for (const one of names) {
      if (seen.has(one)) throw bad(`${one} is there twice`)
      seen.add(one)
    }
  }
}

function read<Shape extends z.ZodType>(shape: Shape, value: unknown, where: string): z.infer<Shape> {
  const parsed = shape.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw bad(
    `${where}${issue?.path.map((part) => `.${String(part).slice(0, 40)}`).join("")}: ${issue?.message}`,
  )
}

function refuseDeep(document: unknown): void {
  let level = [document]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEEPEST) throw bad(`it is nested more than ${DEEPEST} deep`)
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []))
  }
}

function bad(what: string): Fault {
  return new Fault("review/bad-ruleset", `the listing is not one of nft: ${what}`, {
    hint: "expected is what `nft -j list ruleset` prints",
  })
}
