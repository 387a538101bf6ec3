import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { EgressGrant, EgressPolicy } from "../../../contract/egress-grant.ts"
import { matchesHost, matchesPath } from "../../../contract/path-pattern.ts"
import type { EgressRequest } from "../../../contract/verdict.ts"
import { decideEgress } from "../../../host-proxy/policy/decide-egress.ts"
import { findOpenings } from "../../../review/policy/find-openings.ts"
import type { Opening } from "../../../review/policy-diff.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "../../fuzz/run-property.ts"
import { arbitraryPolicy, arbitraryRequest, neighbouringPolicies, TODAY } from "./arbitrary-policy.ts"

const DAYS = [TODAY, "2027-01-16", "2027-01-20", "2027-01-21", "2030-01-01"]

function allowing(policy: EgressPolicy, request: EgressRequest, day: string) {
  const verdict = decideEgress(request, policy, day)
  return verdict.kind === "allow" ? verdict.grant : null
}

/** The decision's own word on whether a request may do more under `after` than under `before`. */
function isLooser(before: EgressPolicy, after: EgressPolicy, request: EgressRequest, day: string): boolean {
  const was = allowing(before, request, day)
  const now = allowing(after, request, day)
  if (!now) return false
  if (!was) return true
  const more = (left: number | null, right: number | null) => (left ?? Infinity) > (right ?? Infinity)
  return (
    (was.bodyCheck !== null && now.bodyCheck !== was.bodyCheck) ||
    more(now.maxRequestBytes, was.maxRequestBytes) ||
    more(now.budgetBytes, was.budgetBytes)
  )
}

/** Whether an opening speaks of a request. */
function names(opening: Opening, request: EgressRequest, day: string, grant: EgressGrant | null): boolean {
  const fitsQuery = opening.queries.some((query) => {
    if (typeof query !== "string") return request.query === query.only
    return query === "any" ? request.query !== null : request.query === null
  })
  return (
    opening.grant === grant &&
    opening.day <= day &&
    fitsQuery &&
    (!opening.websocketOnly || request.websocket) &&
    opening.methods.includes(request.method) &&
    opening.hosts.some((host) => matchesHost(host, request.host)) &&
    opening.paths.some((path) => matchesPath(path, request.path))
  )
}

const pairs = fc.oneof(fc.tuple(arbitraryPolicy, arbitraryPolicy), neighbouringPolicies)

describe("what opens between two policies", () => {
  it(
    "is found whenever the decision lets some request do more than before, on whatever day",
    () =>
      runProperty(
        fc.property(
          pairs,
          fc.array(arbitraryRequest, { minLength: 20, maxLength: 20 }),
          ([before, after], requests) => {
            const openings = findOpenings(before, after, TODAY)
            for (const request of requests)
              for (const day of DAYS) {
                const loose = isLooser(before, after, request, day)
                const named = openings.some((one) => names(one, request, day, allowing(after, request, day)))
                if (loose) expect(named).toBe(true)
              }
          },
        ),
      ),
    FUZZ_TIMEOUT_MS,
  )

  it(
    "comes with an example on which the decision agrees",
    () =>
      runProperty(
        fc.property(pairs, ([before, after]) => {
          for (const { example, day, grant } of findOpenings(before, after, TODAY)) {
            if (example === null) continue
            expect(isLooser(before, after, example, day)).toBe(true)
            expect(allowing(after, example, day)).toEqual(grant)
          }
        }),
      ),
    FUZZ_TIMEOUT_MS,
  )

  it(
    "is nothing between a policy and the same one with its rules split in every way, or joined",
    () =>
      runProperty(
        fc.property(arbitraryPolicy, (policy) => {
          expect(findOpenings(policy, split(policy), TODAY)).toEqual([])
          expect(findOpenings(split(policy), policy, TODAY)).toEqual([])
        }),
      ),
    FUZZ_TIMEOUT_MS,
  )
})

/** A rule for each method and path, in the order of the rules. */
function split(policy: EgressPolicy): EgressPolicy {
  if (policy.kind === "broken") return policy
  const grants = policy.grants.flatMap((grant) =>
    grant.methods.flatMap((method) =>
      grant.paths.map((path) => ({ ...grant, methods: [method], paths: [path] })),
    ),
  )
  return { ...policy, grants }
}
