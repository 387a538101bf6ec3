/** From an image's name and profile to its plan: read, flatten, resolve. */

import { Fault } from "../contract/fault.ts"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import type { Site } from "../contract/site.ts"
import { readLayers } from "./definition/read-layers.ts"
import { refuseMissing } from "./definition/refuse-missing.ts"
import { flattenDefinitions } from "./plan/flatten.ts"
import { planImage } from "./plan/plan-image.ts"
import { readSources, type Sources } from "./plan/read-sources.ts"
import type { Plan } from "./plan.ts"
import { stageKey } from "./stage-cache.ts"

export interface ResolvedPlan {
  readonly plan: Plan
  /** The image's identity as an intention. */
  readonly sha256: string
  /** Bytes of the plan's file entries by sha256. */
  readonly contents: ReadonlyMap<string, Buffer>
  /** The npm packages inside of each program that is bundled, by the program's path in the image. */
  readonly bundled: Sources["bundled"]
  /** The folders whose image.toml say it, relative to the project, the undermost first. */
  readonly layerDirs: readonly string[]
  /** It is for a site, and none was given: it can be looked at and locked, and not be built. */
  readonly lacksSite: boolean
}

export async function resolvePlan(
  projectDir: string,
  name: string,
  profile: string = STRICT_PROFILE,
  site: Site | null = null,
): Promise<ResolvedPlan> {
  const layers = await readLayers(projectDir, name, profile)
  await refuseMissing(projectDir, layers)
  const flat = flattenDefinitions(layers.map(({ definition }) => definition))
  const layerDirs = layers.map(({ dir }) => dir)
  const sources = await readSources(projectDir, flat, layerDirs, site)
  const plan = planImage(
    flat,
    { name, profile, site, layers: layers.map(({ definition }) => definition) },
    sources,
  )
  return {
    plan,
    sha256: stageKey(plan),
    contents: sources.contents,
    bundled: sources.bundled,
    layerDirs,
    lacksSite: flat.site === true && site === null,
  }
}

/** Faults: `image/no-site`. */
export function refuseLackOfSite({ plan, lacksSite }: ResolvedPlan): void {
  if (!lacksSite) return
  throw new Fault(
    "image/no-site",
    `image ${plan.name} of the profile ${plan.profile} is for a site, and none was given`,
    { hint: "--site site.toml tells it the gateway's address and who may log in; docs/ec2.md shows one" },
  )
}
