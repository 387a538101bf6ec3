/** What one policy lets out that another does not: decided over all requests and all days to come. Pure. */

import type { EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import { PUSH_PATH_WORDS } from "../../contract/git-push.ts"
import type { EgressRequest } from "../../contract/verdict.ts"
import type { Opening, OpeningCause } from "../policy-diff.ts"
import { compareLimits } from "./compare-limits.ts"
import { type DividedPaths, dividePaths, type PathPart } from "./divide-paths.ts"
import { type FittingGrants, fitGrants } from "./fit-grants.ts"
import { joinOpenings, type OpenRequests } from "./join-openings.ts"
import { listTargets } from "./list-targets.ts"
import { listRequestClasses, type RequestClass, rulesOf } from "./request-classes.ts"
import { findSharedBudgets } from "./share-budgets.ts"

/** What `after` allows more than `before`, from `today` (UTC, YYYY-MM-DD) on. Empty: nothing, whatever is asked. */
export function findOpenings(
  before: EgressPolicy,
  after: EgressPolicy,
  today: string,
  divided: DivisionCache = new Map(),
): readonly Opening[] {
  const days = listDays([before, after], today)
  const found = listRequestClasses(before, after).flatMap((asked) => {
    const pair = { before: fitGrants(before, asked), after: fitGrants(after, asked) }
    const closed = pair.after.grants.length === 0 || pair.after.denial !== null
    return closed ? [] : compareClass(asked, pair, days, divided)
  })
  const opens = found.flatMap(({ cause, ...one }) => (cause === null ? [] : [{ ...one, cause }]))
  const shared = found.flatMap(({ other, ...one }) => (other?.budgetBytes == null ? [] : [{ ...one, other }]))
  const order = rulesOf(after).grants
  return joinOpenings([...opens, ...findSharedBudgets(shared)]).toSorted(
    (left, right) => order.indexOf(left.grant) - order.indexOf(right.grant),
  )
}

/** Paths divided before, which both directions of a comparison need. */
export type DivisionCache = Map<string, DividedPaths>

/** Without a cause: the same requests were allowed as freely before. */
type Compared = Omit<OpenRequests, "cause"> & { readonly cause: OpeningCause | null }

interface Pair {
  readonly before: FittingGrants
  readonly after: FittingGrants
}

/** Today, and each later day on which a rule of either has ended: on no other does anything change. */
function listDays(policies: readonly EgressPolicy[], today: string): readonly string[] {
  const ends = policies.flatMap((policy) => rulesOf(policy).grants.flatMap(({ expires }) => expires ?? []))
  const later = ends.map(dayAfter).filter((day) => day > today)
  return [today, ...[...new Set(later)].sort()]
}

function dayAfter(day: string): string {
  return new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
}

function compareClass(
  asked: RequestClass,
  pair: Pair,
  days: readonly string[],
  divided: DivisionCache,
): Compared[] {
  if (isSame(pair)) return keepBudgets(asked, pair, days)
  const grants = [...pair.before.grants, ...pair.after.grants]
  const patterns = [...new Set(grants.flatMap(({ paths }) => paths))].sort()
  const words = pair.before.readOnly || pair.after.readOnly ? PUSH_PATH_WORDS : []
  const key = JSON.stringify([patterns, words])
  const paths = divided.get(key) ?? dividePaths(patterns, words)
  divided.set(key, paths)
  const found = paths.parts.flatMap((part) => comparePart(part, patterns, { asked, pair, days }))
  return paths.complete ? found : [...found, ...undecided(asked, pair.after, days)]
}

/** The same grants in the same order answer alike, whatever their patterns are. */
function isSame({ before, after }: Pair): boolean {
  const answering = ({ grants, denial, readOnly }: FittingGrants) =>
    JSON.stringify([
      denial !== null,
      readOnly,
      grants.map(({ source: _source, why: _why, owner: _owner, ...effect }) => effect),
    ])
  return answering(before) === answering(after)
}

/** They open nothing here; elsewhere another rule may share out their budgets. */
function keepBudgets(asked: RequestClass, { before, after }: Pair, days: readonly string[]): Compared[] {
  return after.grants.flatMap((grant, index) => {
    const other = before.grants[index] ?? null
    const same = { asked, day: days[0] ?? "", example: null, grant, other, paths: grant.paths, cause: null }
    return grant.budgetBytes === null ? [] : [same]
  })
}

interface Question {
  readonly asked: RequestClass
  readonly pair: Pair
  readonly days: readonly string[]
}

function comparePart(part: PathPart, patterns: readonly string[], question: Question): Compared[] {
  const { asked, pair, days } = question
  const matched = new Set(part.patterns.flatMap((index) => patterns[index] ?? []))
  const pushes = part.patterns.some((index) => index >= patterns.length)
  const literal = [...matched].some((pattern) => !pattern.includes("*"))
  const targets = listTargets(part, asked, [...pair.before.grants, ...pair.after.grants], literal)
  return targets.flatMap(({ bytes, target }) => {
    const example = target && toRequest(asked, target)
    const reported = new Set<OpeningCause>()
    return days.flatMap((day) => {
      const answer = ({ grants, readOnly }: FittingGrants) =>
        grants.find(
          (grant) => !(readOnly && pushes && grant.git === null) && answers(grant, matched, bytes, day),
        ) ?? null
      const now = answer(pair.after)
      const open = answer(pair.before)
      const was = pair.before.denial ? null : open
      if (!now) return []
      const causes = was ? compareLimits(was, now) : [open ? ("denial" as const) : ("request" as const)]
      const fresh = causes.filter((cause) => !reported.has(cause))
      for (const cause of fresh) reported.add(cause)
      const told = fresh.length === 0 && was ? [null] : fresh
      const matchedPaths = now.paths.filter((path) => matched.has(path))
      return told.map((cause) => ({
        ...{ asked, day, example, grant: now, other: was, paths: matchedPaths },
        cause: cause === "request" && day !== days[0] ? ("later" as const) : cause,
      }))
    })
  })
}

function answers(grant: EgressGrant, matched: ReadonlySet<string>, bytes: number, day: string): boolean {
  return (
    (grant.expires === null || day <= grant.expires) &&
    (grant.maxPathBytes === null || bytes <= grant.maxPathBytes) &&
    grant.paths.some((path) => matched.has(path))
  )
}

function undecided(asked: RequestClass, after: FittingGrants, days: readonly string[]): OpenRequests[] {
  const day = days[0] ?? ""
  const open = after.grants.filter(({ expires }) => expires === null || day <= expires)
  return open.map((grant) => ({
    ...{ asked, day, grant, paths: grant.paths, cause: "undecided" as const },
    ...{ example: null, other: null },
  }))
}

function toRequest(
  { scheme, host, port, method, websocket }: RequestClass,
  target: { readonly path: string; readonly query: string | null },
): EgressRequest {
  return { scheme, host, port, method, websocket, ...target }
}
