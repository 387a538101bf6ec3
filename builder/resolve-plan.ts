/** From an image's name to its plan: read, flatten, resolve. */

import { readDefinitions } from "./definition/read-definitions.ts"
import { flattenDefinitions } from "./plan/flatten.ts"
import { planImage } from "./plan/plan-image.ts"
import { readSources } from "./plan/read-sources.ts"
import type { Plan } from "./plan.ts"
import { stageKey } from "./stage-cache.ts"

export interface ResolvedPlan {
  readonly plan: Plan
  /** The image's identity as an intention. */
  readonly sha256: string
  /** Bytes of the plan's file entries by sha256. */
  readonly contents: ReadonlyMap<string, Buffer>
}

export async function resolvePlan(projectDir: string, name: string): Promise<ResolvedPlan> {
  const line = await readDefinitions(projectDir, name)
  const lineage = line.map((definition) => definition.name)
  const flat = flattenDefinitions(line)
  const sources = await readSources(projectDir, flat, lineage)
  const plan = planImage(flat, lineage, sources)
  return { plan, sha256: stageKey(plan), contents: sources.contents }
}
