/** In which order the kernel takes a packet through a hook: base chains by priority, tracking and translation between. */

import type { BaseChain, Construct, Hook, Ruleset } from "./statement.ts"

export type HookStep =
  | { readonly kind: "chain"; readonly chain: BaseChain }
  /** From here on a packet has a state. */
  | { readonly kind: "track" }
  /** The nat chains: whatever their own priority, the kernel runs them here, and only for a connection's first packet. */
  | {
      readonly kind: "translate"
      readonly side: "source" | "destination"
      readonly chains: readonly BaseChain[]
    }

/** Fixed in the kernel (include/uapi/linux/netfilter_ipv4.h). */
const TRACK_PRIORITY = -200
const TRANSLATE: Readonly<Partial<Record<Hook, readonly [number, "source" | "destination"]>>> = {
  prerouting: [-100, "destination"],
  output: [-100, "destination"],
  input: [100, "source"],
  postrouting: [100, "source"],
}

export function planHook(ruleset: Ruleset, hook: Hook): readonly HookStep[] {
  const here = ruleset.bases.filter((base) => base.hook === hook).toSorted(byPriority)
  const steps = here
    .filter((base) => base.type !== "nat")
    .map((chain) => ({ at: chain.priority, step: { kind: "chain", chain } as HookStep }))
  const translate = TRANSLATE[hook]
  if (translate !== undefined && ruleset.bases.some(({ type }) => type === "nat")) {
    const [at, side] = translate
    // also where no chain is: answers of a connection are translated back there
    steps.push({ at, step: { kind: "translate", side, chains: here.filter(({ type }) => type === "nat") } })
  }
  if (hook === "prerouting" || hook === "output") steps.push({ at: TRACK_PRIORITY, step: { kind: "track" } })
  return steps.toSorted((left, right) => left.at - right.at).map(({ step }) => step)
}

/** Chains that share a place in a hook where the order, which nothing fixes, could matter. */
export function findUnordered(ruleset: Ruleset): readonly Construct[] {
  return ruleset.bases.flatMap((base) => {
    const at = TRANSLATE[base.hook]?.[0]
    const hasNat = ruleset.bases.some(({ type }) => type === "nat")
    const fixed =
      base.type !== "nat" &&
      ((base.priority === TRACK_PRIORITY && (base.hook === "prerouting" || base.hook === "output")) ||
        (base.priority === at && hasNat))
    const same = ruleset.bases.filter((other) => {
      return (
        other.hook === base.hook &&
        other.priority === base.priority &&
        (other.type === "nat") === (base.type === "nat")
      )
    })
    const changes = same.length > 1 && tablesOf(same).some((table) => rewrites(ruleset, table))
    if (!fixed && !changes) return []
    const what = `the order of chains with priority ${base.priority} at the hook ${base.hook} is not fixed`
    return [{ where: base.name, what }]
  })
}

function tablesOf(bases: readonly BaseChain[]): readonly string[] {
  return bases.map(({ name }) => `${name.split(" ").slice(0, 2).join(" ")} `)
}

function rewrites(ruleset: Ruleset, table: string): boolean {
  const chains = [...ruleset.chains.values()].filter(({ name }) => name.startsWith(table))
  const statements = chains.flatMap(({ rules }) => rules).flatMap((rule) => rule.statements)
  return statements.some(({ kind }) => ["write", "untrack", "translate", "opaque"].includes(kind))
}

function byPriority(left: BaseChain, right: BaseChain): number {
  return left.priority - right.priority
}
