/** The kernel's command line: the options of the definition, then the root that is the only one it opens. */

import type { Plan } from "../plan.ts"
import type { RootRecord } from "./make-root.ts"

const ROOT_OPTION = "stereo.root"

export function renderCommandLine(plan: Pick<Plan, "kernel">, root: RootRecord): string {
  const options = plan.kernel.options.map(({ text }) => text)
  return [...options, `${ROOT_OPTION}=${root.rootHash}:${root.salt}:${root.dataBlocks}`].join(" ")
}
