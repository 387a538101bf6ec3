/** Where a tree is kept that the seal stage has refused. */

import { dirname, join } from "node:path"

/** Beside the results of the stage, whose own folder goes when it fails; one, of the last build that was refused. */
export function refusedTree(stageDir: string): string {
  return join(dirname(stageDir), "refused.tar")
}
