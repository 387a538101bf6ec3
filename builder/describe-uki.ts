/** The last part of the artifact stage: what a UEFI firmware will start of this image, known before anybody asks for a disk. */

import { basename } from "node:path"
import { recordUki } from "./artifact/make-uki.ts"
import type { Sealed } from "./make-artifact.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Stages } from "./stages.ts"

export interface Disks {
  readonly bootDir: string
  readonly rootDir: string
  readonly toolsDir: string
}

/** Gives the folder with `uefi.json`, and with what the unified kernel image is made of besides. */
export function describeUki(
  { plan }: ResolvedPlan,
  sealed: Sealed,
  { bootDir, rootDir, toolsDir }: Disks,
  stages: Stages,
): Promise<string> {
  return stages.stage({
    name: "artifact-uki",
    title: "artifact: what UEFI firmware will start and measure",
    inputs: {
      ...{ boot: basename(bootDir), root: basename(rootDir), options: plan.kernel.options },
      ...{ tools: basename(toolsDir), recipe: plan.recipes.artifact },
    },
    make: (dir) => recordUki({ ...stages.runner, plan, bootDir, rootDir, toolsDir, tar: sealed.tar, dir }),
  })
}
