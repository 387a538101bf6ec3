/** What changes between two policies without letting more out: reasons, owners, places, rules that add nothing. Pure. */

import type { EgressDenial, EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import type { Opening, RuleChange } from "../policy-diff.ts"
import { rulesOf } from "./request-classes.ts"

export interface ChangeInputs {
  readonly before: EgressPolicy
  readonly after: EgressPolicy
  readonly opens: readonly Opening[]
  /** What closes, today or later. */
  readonly closes: readonly Opening[]
}

export function listChanges({ before, after, opens, closes }: ChangeInputs): readonly RuleChange[] {
  if (before.kind === "broken" || after.kind === "broken") return []
  const pairs = pairGrants(before.grants, after.grants)
  const paired = new Set(pairs.flatMap((pair) => [pair.was, pair.now]))
  const opened = new Set(opens.map(({ grant }) => grant))
  const closed = new Set(closes.map(({ grant }) => grant))
  const spare = (grants: readonly EgressGrant[], told: ReadonlySet<EgressGrant>) =>
    grants.filter((grant) => !paired.has(grant) && !told.has(grant))
  return unique([
    ...compareSets(before.sets, after.sets),
    ...pairs.flatMap(compareWords),
    ...spare(after.grants, opened).map((grant) => lone("redundant", grant)),
    ...spare(before.grants, closed).map((grant) => lone("superseded", grant)),
    ...compareDenials(before, after),
  ])
}

interface Pair {
  readonly was: EgressGrant
  readonly now: EgressGrant
}

/** The same rule on both sides: by its name if it has kept one place, else by what it allows. */
function pairGrants(before: readonly EgressGrant[], after: readonly EgressGrant[]): Pair[] {
  const left = new Set(before)
  const pairs: Pair[] = []
  const pairBy = (keyOf: (grant: EgressGrant) => string, among: readonly EgressGrant[]) => {
    const rest: EgressGrant[] = []
    for (const now of among) {
      const was = [...left].find((one) => keyOf(one) === keyOf(now))
      if (was) {
        left.delete(was)
        pairs.push({ was, now })
      } else rest.push(now)
    }
    return rest
  }
  const fresh = pairBy((grant) => `${grant.id} ${effectOf(grant)}`, after)
  const moved = pairBy(effectOf, fresh)
  pairBy((grant) => `${grant.id} ${grant.host} ${grant.git}`, moved)
  return pairs
}

/** What it allows, without who says so, why and how long. */
function effectOf(grant: EgressGrant): string {
  const { id: _id, source: _source, why: _why, owner: _owner, expires: _expires, ...effect } = grant
  return JSON.stringify(effect)
}

function compareWords({ was, now }: Pair): RuleChange[] {
  const words = (["why", "owner"] as const).flatMap((kind): RuleChange[] =>
    was[kind] === now[kind] ? [] : [{ ...placed(kind, now), before: was[kind], after: now[kind] }],
  )
  if (was.source.file === now.source.file) return words
  return [...words, { ...placed("source", now), before: placeOf(was), after: placeOf(now) }]
}

function compareSets(before: readonly string[], after: readonly string[]): RuleChange[] {
  const was = before.join(", ") || "none"
  const now = after.join(", ") || "none"
  return was === now ? [] : [{ kind: "sets", subject: "egress sets", place: "", before: was, after: now }]
}

function compareDenials(before: EgressPolicy, after: EgressPolicy): RuleChange[] {
  const words = ({ host, why }: EgressDenial) => `${host} is closed: ${why}`
  const left = rulesOf(before).denials
  const right = rulesOf(after).denials
  const only = (some: typeof left, others: typeof left) =>
    some.filter((one) => !others.some((other) => words(other) === words(one)))
  const about = (one: EgressDenial) => ({ kind: "denial" as const, subject: one.id, place: one.source.file })
  return [
    ...only(left, right).map((one) => ({ ...about(one), before: words(one), after: null })),
    ...only(right, left).map((one) => ({ ...about(one), before: null, after: words(one) })),
  ]
}

function lone(kind: "redundant" | "superseded", grant: EgressGrant): RuleChange {
  return { ...placed(kind, grant), before: null, after: null }
}

function placed(
  kind: RuleChange["kind"],
  grant: EgressGrant,
): Pick<RuleChange, "kind" | "subject" | "place"> {
  return { kind, subject: grant.id, place: placeOf(grant) }
}

function placeOf({ source }: EgressGrant): string {
  return source.line > 0 ? `${source.file}:${source.line}` : source.file
}

/** A git rule is several grants, and one change to its reader. */
function unique(changes: readonly RuleChange[]): RuleChange[] {
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()]
}
