/** Finds the tools tree, for commands that write or read images with its programs. */

import { realpath } from "node:fs/promises"
import { Fault } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { currentToolsTree } from "../contract/tools-tree.ts"

/** `stage` is the first half of the fault's code. Faults: `export/no-tools`, `image/no-tools`. */
export async function findTools(home: Home, stage: "export" | "image"): Promise<string> {
  return realpath(currentToolsTree(home)).catch((cause: unknown) => {
    throw new Fault(`${stage}/no-tools`, `there is no tools tree at ${currentToolsTree(home)}`, {
      hint: "make it with `stereo setup` (about a minute)",
      cause,
    })
  })
}
