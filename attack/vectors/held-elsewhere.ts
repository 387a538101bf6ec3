/** What the design's battery has and one running machine cannot show: promised, and held by tests of its own. */

import type { Vector } from "../vector.ts"

type Row = readonly [
  id: string,
  group: Vector["group"],
  title: string,
  expected: Vector["expected"],
  test: string,
]

const ROWS: readonly Row[] = [
  [
    "17-flow-before-tightening",
    "G1",
    "a call that was under way when its rule was taken away",
    "REF",
    "test/host-proxy/reload.test.ts",
  ],
  [
    "51-policy-patterns",
    "G3",
    "`*`, `*.com`, a public suffix or a star inside a label in a rule",
    "REF",
    "test/contract",
  ],
  [
    "58-kill-host-service",
    "G3",
    "the host service killed in the middle of calls",
    "REF",
    "test/host-proxy/kill.test.ts",
  ],
  [
    "59-broken-policy",
    "G3",
    "a set that is empty, missing or broken, at start and at a reload",
    "REF",
    "test/host-proxy/policy/closed.test.ts",
  ],
  [
    "72-byte-budget",
    "G4",
    "many small uploads, up to the machine's budget",
    "403",
    "test/host-proxy/budget.test.ts",
  ],
  [
    "77-credential-in-guest",
    "G4",
    "the real credential in memory, files, environment and disk of a guest",
    "ABS",
    "test/e2e/capture.e2e.test.ts",
  ],
  [
    "88-forged-account",
    "G5",
    "an account of root's that differs from what the host saw",
    "GST",
    "test/host-proxy/ledger.test.ts",
  ],
  [
    "92-persistence",
    "G6",
    "changes of root that outlive a new start: the root disk is measured, and only the agent's home is kept",
    "ABS",
    "test/e2e/image.e2e.test.ts",
  ],
  ["107-changed-image", "G6", "a byte changed in an image's file", "ABS", "test/e2e/image.e2e.test.ts"],
]

export const heldElsewhereVectors: readonly Vector[] = ROWS.map(([id, group, title, expected, test]) => ({
  ...{ id, group, title, expected, from: ["root"] },
  how: { kind: "none" },
  reason: `one running machine cannot show it; held by ${test}`,
}))
