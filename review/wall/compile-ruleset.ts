/** Compiles a listing: which chains the kernel enters where, what each rule does, and what is not understood. */

import { compileStatement } from "./compile-rule.ts"
import type { Listing } from "./parse-listing.ts"
import { renderRule } from "./render-rule.ts"
import { type BaseChain, type Chain, type Construct, HOOKS, type Rule, type Ruleset } from "./statement.ts"

const FAMILIES = ["inet", "ip", "ip6", "netdev"] as const
/** nft before 1.1 leaves them out. */
const UNNAMED_DEVICE = "a chain on interfaces that the listing does not name"
/** Elements of sets that are read, each rule's for itself; what needs more is not proven. */
const MOST_ELEMENTS = 100_000
const TYPES = ["filter", "nat", "route"] as const

export function compileRuleset(listing: Listing): Ruleset {
  const dormant = new Set(listing.tables.filter(isDormant).map(keyOf))
  const interfaces = listInterfaces(listing)
  const constructs: Construct[] = [...listing.constructs, ...oddTables(listing)]
  const chains = new Map<string, Chain>()
  const bases: BaseChain[] = []
  const rules = compileRules(listing, interfaces)
  for (const chain of listing.chains) {
    const name = `${chain.family} ${chain.table} ${chain.name}`
    const compiled: Chain = { name, rules: rules.get(name) ?? [] }
    chains.set(name, compiled)
    const unused = chain.hook === undefined || dormant.has(keyOf({ family: chain.family, name: chain.table }))
    if (unused) continue
    const base = compileBase(compiled, chain, interfaces)
    if (typeof base === "string") constructs.push({ where: name, what: base })
    else {
      bases.push(base)
      const device = base.hook === "ingress" || base.hook === "egress"
      if (device && base.devices === null) constructs.push({ where: name, what: UNNAMED_DEVICE })
    }
  }
  const stray = [...rules.keys()].find((name) => !chains.has(name))
  if (stray !== undefined) constructs.push({ where: stray, what: "rules of a chain that is not listed" })
  return { chains, bases, interfaces, constructs }
}

function compileBase(
  chain: Chain,
  listed: Listing["chains"][number],
  interfaces: readonly string[],
): BaseChain | string {
  const family = FAMILIES.find((one) => one === listed.family)
  const type = TYPES.find((one) => one === listed.type)
  const hook = HOOKS.find((one) => one === listed.hook)
  const policy = (["accept", "drop"] as const).find((one) => one === (listed.policy ?? "accept"))
  if (family === undefined) return `a base chain of the family ${listed.family}`
  if (type === undefined || hook === undefined)
    return `a chain of type ${listed.type} at the hook ${listed.hook}`
  if (policy === undefined || listed.prio === undefined) return "a base chain whose policy or priority is odd"
  if (listed.dev?.some((name) => name.endsWith("*")))
    return "a chain on every interface whose name begins alike"
  const devices = listed.dev?.map((name) => BigInt(interfaces.indexOf(name))) ?? null
  return { ...chain, family, type, hook, policy, priority: listed.prio, devices }
}

function compileRules(listing: Listing, interfaces: readonly string[]): ReadonlyMap<string, readonly Rule[]> {
  const changing = setsThatPacketsChange(listing)
  const sets = new Map<string, Map<string, readonly unknown[] | null>>()
  for (const set of listing.sets) {
    const table = keyOf({ family: set.family, name: set.table })
    const dynamic =
      set.flags.some((flag) => flag === "dynamic" || flag === "timeout") || changing.has(set.name)
    sets.set(table, (sets.get(table) ?? new Map()).set(set.name, dynamic ? null : set.elem))
  }
  const rules = new Map<string, Rule[]>()
  const elements = { left: MOST_ELEMENTS }
  for (const { family, table, chain, comment, expr } of listing.rules) {
    const context = {
      family,
      interfaces,
      elements,
      sets: sets.get(keyOf({ family, name: table })) ?? new Map(),
    }
    const statements = expr.map((statement) => compileStatement(statement, context))
    const name = `${family} ${table} ${chain}`
    const earlier = rules.get(name)
    const rule = { number: (earlier?.length ?? 0) + 1, text: renderRule(expr, comment), statements }
    if (earlier === undefined) rules.set(name, [rule])
    else earlier.push(rule)
  }
  return rules
}

/** Names of sets that a rule adds to; older nft does not mark them. */
function setsThatPacketsChange(listing: Listing): ReadonlySet<string> {
  const updates = listing.rules.flatMap((rule) => rule.expr).flatMap((one) => [one["set"], one["map"]])
  return new Set(
    updates
      .map((update) => Object(update ?? {})["set"] as unknown)
      .map((name) => (typeof name === "string" ? name.slice(1) : "")),
  )
}

/** A dormant table is there, and takes no packet. nft before 1.1 prints another word there, which is then not proven. */
function isDormant({ flags }: Listing["tables"][number]): boolean {
  return flags.length === 1 && flags[0] === "dormant"
}

function oddTables({ tables }: Listing): Construct[] {
  return tables
    .filter((one) => !isDormant(one) && one.flags.some((flag) => flag !== "owner" && flag !== "persist"))
    .map(({ family, name, flags }) => ({
      where: `${family} ${name}`,
      what: `the table flags ${flags.join(", ")}`,
    }))
}

/**
 * All interfaces that some rule could tell apart: none, lo, eth0, each that is named, for each wildcard one that only
 * it is for, and any other. The last two end in a slash, which no interface's name may hold.
 */
function listInterfaces(listing: Listing): readonly string[] {
  const named = new Set(listing.chains.flatMap((chain) => chain.dev ?? []))
  const wild = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value === "string" && !value.startsWith("@") && value.length < 16) {
      if (value.endsWith("*")) wild.add(value.slice(0, -1))
      else named.add(value)
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(collect)
  }
  const lookups = listing.rules
    .flatMap((rule) => rule.expr)
    .flatMap((statement) => [statement["match"], statement["vmap"]])
    .filter((one) => /"[io]if(name)?"/.test(JSON.stringify(one) ?? ""))
  for (const lookup of lookups) {
    collect(Object(lookup)["right"])
    collect(Object(lookup)["data"])
  }
  const setsRead = new Set(JSON.stringify(lookups).match(/@[^"]+/g) ?? [])
  for (const set of listing.sets) if (setsRead.has(`@${set.name}`)) collect(set.elem)
  named.delete("")
  return [...new Set(["", "lo", "eth0", ...named, ...[...wild].map((prefix) => `${prefix}/`), "/"])]
}

function keyOf({ family, name }: { readonly family: string; readonly name: string }): string {
  return JSON.stringify([family, name])
}
