/** The gate on sizes: what the definition says an image may be at most. */

import { mebibytes } from "../../contract/mebibytes.ts"
import type { Tree } from "../tree.ts"
import type { Finding } from "./finding.ts"

const BUDGETED: readonly Budgeted[] = ["tree", "root"]
const MIB = 1_048_576
/** What a reader needs to see where the bytes are. */
const SHOWN_FOLDERS = 5

export type Budgeted = "tree" | "root"

/** Of each what it may be at most in MiB, and what it is in bytes. */
export function checkBudget(
  budgets: Readonly<Partial<Record<Budgeted, { readonly mib: number }>>>,
  sizes: Readonly<Partial<Record<Budgeted, number>>>,
  tree: Tree,
): Finding[] {
  return BUDGETED.flatMap((of): Finding[] => {
    const budget = budgets[of]
    const sizeBytes = sizes[of]
    if (budget === undefined || sizeBytes === undefined || sizeBytes <= budget.mib * MIB) return []
    const advice = `most is in ${largestFolders(tree)}: prune, or raise [budget.${of}] with a reason`
    return [
      { gate: "budget", subject: of, found: mebibytes(sizeBytes), allowed: `${budget.mib} MiB`, advice },
    ]
  })
}

function largestFolders(tree: Tree): string {
  const sizes = new Map<string, number>()
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") continue
    const folder = path.split("/").slice(0, 4).join("/")
    sizes.set(folder, (sizes.get(folder) ?? 0) + entry.content.sizeBytes)
  }
  const largest = [...sizes].sort(([, left], [, right]) => right - left).slice(0, SHOWN_FOLDERS)
  return largest.map(([folder, sizeBytes]) => `${folder} ${mebibytes(sizeBytes)}`).join(", ")
}
