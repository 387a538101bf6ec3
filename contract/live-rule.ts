/** A rule that was made while its machine ran: what it opens or closes, by whom, why, and until when. */

import { z } from "zod"
import { egressDenial, egressGrant } from "./egress-policy-shape.ts"

/** Who changed something, as far as it is known. */
export const operator = z.strictObject({
  /** Of the host service, whose socket only the same user may open. */
  uid: z.int(),
  user: z.string(),
  /** Who says to stand behind that user, for example by sudo; a claim. */
  claimed: z.string().nullable(),
})
export type Operator = z.infer<typeof operator>

const common = {
  by: operator,
  madeAt: z.iso.datetime(),
  /** From then on it counts no more; null: until the run ends. */
  until: z.iso.datetime().nullable(),
}
export const liveRule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("allow"), grant: egressGrant, ...common }),
  z.strictObject({ kind: z.literal("deny"), denial: egressDenial, ...common }),
])
export type LiveRule = z.infer<typeof liveRule>

/** `live-egress.json` in a machine's folder: written by the host service alone, out of QEMU's reach. */
export const liveRulesFile = z.strictObject({
  schema: z.literal(1),
  /** The rules end with this run. */
  runId: z.string(),
  /** The number of the next rule: none is given twice in a run. */
  next: z.int().min(1),
  rules: z.array(liveRule).readonly(),
})
export type LiveRulesFile = z.infer<typeof liveRulesFile>
