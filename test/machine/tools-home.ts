/** The tools tree that `stereo setup` made, for tests that run its programs; null with a printed reason otherwise. */

import { realpathSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { homeLayout } from "../../contract/home.ts"
import { currentToolsTree } from "../../contract/tools-tree.ts"

const root = resolve(process.env["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo"))

export const toolsDir: string | null = findTools()

function findTools(): string | null {
  try {
    return realpathSync(currentToolsTree(homeLayout(root)))
  } catch (thrown) {
    console.warn(`skipped: no tools tree in ${root}; make it with \`stereo setup\` (${String(thrown)})`)
    return null
  }
}
