/** The gates stage: what a sealed tree must not hold, and how exposed its services may be. */

import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { checkBudget } from "./gates/check-budget.ts"
import { checkExposure } from "./gates/check-exposure.ts"
import { checkFiles } from "./gates/check-files.ts"
import { refuseFindings } from "./gates/finding.ts"
import { isExposureSource, measureExposure } from "./gates/measure-exposure.ts"
import type { Sealed } from "./make-artifact.ts"
import type { Plan } from "./plan.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Stages } from "./stages.ts"
import { readTree } from "./tree.ts"

export interface GateReport {
  /** Files, folders and links that were looked at. */
  readonly entries: number
  /** Each service with its exposure in tenths, 0 to 100. */
  readonly exposures: readonly { readonly unit: string; readonly tenths: number }[]
  /** What the definition lets through, and why. */
  readonly exceptions: readonly { readonly what: string; readonly why: string }[]
}

/** Fault: `gates/refused`, with everything that does not pass. */
export async function passGates(
  { plan }: ResolvedPlan,
  sealed: Sealed,
  toolsDir: string,
  stages: Stages,
): Promise<GateReport> {
  const { exposures: allowances, exceptions, budget } = plan.gates
  const dir = await stages.stage({
    name: "gates",
    title: "gates: rights, owners, names, exposure and size",
    inputs: {
      tar: sealed.tarSha256,
      planned: plannedPaths(plan),
      gates: plan.gates,
      tools: basename(toolsDir),
      recipe: plan.recipes.gates,
    },
    make: async (work) => {
      const tree = await readTree(sealed.tar, keepAll, isExposureSource)
      const unitsDir = join(work, "units")
      await mkdir(unitsDir)
      const exposures = await measureExposure({ ...stages.runner, tree, toolsDir, dir: unitsDir })
      await rm(unitsDir, { recursive: true })
      refuseFindings(plan.name, [
        ...checkFiles(tree, { planned: new Set(plannedPaths(plan)), exceptions }),
        ...checkExposure(exposures, allowances),
        ...checkBudget(budget, { tree: sealed.report.sizeBytes }, tree),
      ])
      const report: GateReport = {
        entries: tree.size,
        exposures: [...exposures].map(([unit, tenths]) => ({ unit, tenths })),
        exceptions: [
          ...exceptions.map(({ gate, paths, why }) => ({ what: `${gate}: ${paths.join(" ")}`, why })),
          ...allowances.map(({ units, atMost, why }) => {
            return { what: `exposure to ${(atMost / 10).toFixed(1)}: ${units.join(" ")}`, why }
          }),
        ],
      }
      await writeFile(join(work, "gates.json"), JSON.stringify(report, null, 1))
    },
  })
  return JSON.parse(await readFile(join(dir, "gates.json"), "utf8"))
}

/** The root disk's own gate: its size is known only now. Fault: `gates/refused`. */
export async function passRootBudget({ plan }: ResolvedPlan, sealed: Sealed, rootDir: string): Promise<void> {
  const { size } = await stat(join(rootDir, "root.verity"))
  const { root } = plan.gates.budget
  if (root === undefined || size <= root.mib * 1_048_576) return
  const tree = await readTree(sealed.tar, keepAll, () => false)
  refuseFindings(plan.name, checkBudget(plan.gates.budget, { root: size }, tree))
}

function keepAll(): boolean {
  return false
}

function plannedPaths({ entries }: Plan): string[] {
  return entries.map(({ path }) => path)
}
