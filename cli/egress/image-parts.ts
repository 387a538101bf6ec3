/** What an image gives to a view, whether it was built or only defined; a card adds its own sets to it. */

import { readEgressSets } from "../../host-proxy/policy/read-egress-sets.ts"
import type { EgressView } from "../../review/egress-view.ts"

export interface ImageParts extends Pick<EgressView, "readFrom" | "notes" | "wall"> {
  readonly sets: readonly string[]
  /** Where those sets lie. */
  readonly setsDir: string
}

export async function viewImage(
  target: string,
  kind: EgressView["kind"],
  { sets, setsDir, ...parts }: ImageParts,
): Promise<EgressView> {
  return { ...parts, target, kind, endingDenials: [], policy: await readEgressSets(setsDir, sets) }
}
