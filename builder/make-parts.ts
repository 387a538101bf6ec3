/** What is made of a sealed tree: its gates passed, its measurements, bills and root disk, all side by side. */

import type { ImageLock } from "../contract/image-lock.ts"
import { makeBootFiles, makeRootDisk, type Sealed } from "./make-artifact.ts"
import { type Bills, makeBills } from "./make-bills.ts"
import { type GateReport, passGates, passRootBudget } from "./make-gates.ts"
import { type Measured, makeMeasurements } from "./make-measurements.ts"
import type { Rootfs } from "./make-rootfs.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Stages } from "./stages.ts"

export interface PartsRequest {
  readonly projectDir: string
  readonly resolved: ResolvedPlan
  readonly lock: ImageLock
  readonly rootfs: Rootfs
  readonly sealed: Sealed
  readonly toolsDir: string
  readonly stages: Stages
}

export interface Parts {
  readonly gates: GateReport
  readonly measured: Measured
  readonly bills: Bills
  /** The folder with `vmlinuz` and `initramfs.cpio.zst`. */
  readonly bootDir: string
  /** The folder with `root.verity`. */
  readonly rootDir: string
}

/** None of these needs another's result, but for the bills, which name the boot files' packages. */
export async function makeParts(request: PartsRequest): Promise<Parts> {
  const { resolved, rootfs, sealed, toolsDir, stages } = request
  const [gates, measured, { bootDir, bills }, rootDir] = await stages.sideBySide([
    () => passGates(resolved, sealed, toolsDir, stages),
    () => makeMeasurements(resolved, sealed, toolsDir, stages),
    async () => {
      const bootDir = await makeBootFiles(resolved, rootfs, toolsDir, stages)
      return { bootDir, bills: await makeBills({ ...request, bootDir }) }
    },
    () => makeRootDisk(resolved, sealed, toolsDir, stages),
  ])
  await passRootBudget(resolved, sealed, rootDir)
  return { gates, measured, bills, bootDir, rootDir }
}
