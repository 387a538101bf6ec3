/** Small policies and requests that are made to meet: few hosts, segments and days, so that much overlaps. */

import fc from "fast-check"
import type { EgressDenial, EgressGrant, EgressPolicy } from "../../../contract/egress-grant.ts"
import type { EgressRequest } from "../../../contract/verdict.ts"

export const TODAY = "2027-01-15"

const HOSTS = ["api.example.com", "git.example.com", "*.example.com", "example.com"]
const ONLY = "service=git-upload-pack"

const piece = fc.constantFrom(
  "git-receive-pack",
  "a",
  "b",
  "v1",
  "*",
  "a*",
  "*b",
  "%2f",
  "%2Fa",
  "a%2F*",
  "%41*",
  "%41",
  "**",
  ".",
  "",
)
export const arbitraryPattern = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.constantFrom("", "", "/**", "/"))
  .map(([parts, end]) => `/${parts.join("/")}${end}`)

const step = fc.constantFrom(
  ..."/abvx1.",
  "%41",
  "%5a",
  "%2f",
  "%2F",
  "//",
  "/a",
  "/b",
  "/v1",
  "receive-pack",
  "Receive%2dpack",
)
/** Any text that begins with a slash, more often than not one that some pattern matches. */
export const arbitraryPath = fc.oneof(
  fc.array(step, { maxLength: 8 }).map((parts) => `/${parts.join("")}`),
  fc
    .tuple(arbitraryPattern, fc.array(step, { maxLength: 2 }))
    .map(([pattern, parts]) => pattern.replace(/\*+/g, parts.join(""))),
)

const limit = fc.constantFrom<(number | null)[]>(null, null, 0, 1024)
const arbitraryGrant: fc.Arbitrary<EgressGrant> = fc.record({
  id: fc.constantFrom("egress/a#1", "egress/a#2", "egress/b#1"),
  source: fc.constant({ file: "policies/egress/a.toml", line: 6 }),
  scheme: fc.constantFrom("https" as const, "https" as const, "http" as const),
  host: fc.constantFrom(...HOSTS),
  port: fc.constantFrom(443, 443, 8443),
  methods: fc.subarray(["GET", "POST"], { minLength: 1 }),
  paths: fc.array(arbitraryPattern, { minLength: 1, maxLength: 2 }),
  query: fc.constantFrom<EgressGrant["query"][]>("any", "none", { only: ONLY }),
  bodyCheck: fc.constantFrom(null, null, "git-lfs-download" as const),
  git: fc.constantFrom(null, null, null, "transport" as const, "api" as const),
  websocket: fc.constantFrom(false, false, true),
  maxPathBytes: fc.constantFrom(null, null, 4, 8),
  maxRequestBytes: limit,
  budgetBytes: limit,
  why: fc.constant("a reason of the test"),
  owner: fc.constant("somebody"),
  expires: fc.constantFrom(null, null, "2027-01-01", TODAY, "2027-01-20"),
})

const arbitraryDenial: fc.Arbitrary<EgressDenial> = fc.record({
  id: fc.constant("live/1"),
  source: fc.constant({ file: "live", line: 0 }),
  host: fc.constantFrom(...HOSTS),
  why: fc.constant("closed by the test"),
  owner: fc.constant("somebody"),
})

export const arbitraryPolicy: fc.Arbitrary<EgressPolicy> = fc.oneof(
  {
    arbitrary: fc.constant<EgressPolicy>({ kind: "broken", rule: "egress/set-broken", reason: "test" }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("rules" as const),
      sets: fc.constant(["a"]),
      grants: fc.array(arbitraryGrant, { maxLength: 3 }),
      denials: fc.oneof(fc.constant([]), fc.array(arbitraryDenial, { maxLength: 1 })),
    }),
    weight: 19,
  },
)

export const arbitraryRequest: fc.Arbitrary<EgressRequest> = fc.record({
  scheme: fc.constantFrom("https" as const, "https" as const, "http" as const),
  host: fc.constantFrom(
    "api.example.com",
    "git.example.com",
    "other.example.com",
    "z.example.com",
    "example.com",
  ),
  port: fc.constantFrom(443, 443, 8443),
  method: fc.constantFrom("GET", "POST"),
  path: arbitraryPath,
  query: fc.constantFrom(null, null, "", "a=1", ONLY, "a=1234567", "service=git-%72eceive-pack"),
  websocket: fc.constantFrom(false, false, true),
})

/** Two that differ in a single thing of a single rule, as most changes do. */
export const neighbouringPolicies: fc.Arbitrary<readonly [EgressPolicy, EgressPolicy]> = fc
  .tuple(fc.array(arbitraryGrant, { minLength: 1, maxLength: 2 }), arbitraryGrant, fc.nat())
  .map(([grants, other, pick]) => {
    const keys = Object.keys(other) as (keyof EgressGrant)[] // Object.keys knows no keys of a type
    const key = keys[pick % keys.length] ?? "host"
    const [first, ...rest] = grants
    const changed = first ? [{ ...first, [key]: other[key] }, ...rest] : rest
    const rules = (all: readonly EgressGrant[]): EgressPolicy => {
      return { kind: "rules", sets: ["a"], grants: all, denials: [] }
    }
    return [rules(grants), rules(changed)]
  })
