/** Makes the tools tree: the programs with which images are built and machines run. */

import { rm } from "node:fs/promises"
import { basename, join } from "node:path"
import type { Home } from "../contract/home.ts"
import { readDefinitions } from "./definition/read-definitions.ts"
import { flattenDefinitions } from "./plan/flatten.ts"
import { makeDebianTree } from "./rootfs/debian-tree.ts"
import type { Stages } from "./stages.ts"
import { selectToolsTree, unpackToolsTree } from "./tools-tree.ts"

/** Gives the folder of the tools tree, made if its definition is new. The caller holds the build lock. */
export async function setupTools(projectDir: string, home: Home, stages: Stages): Promise<string> {
  const { debian } = flattenDefinitions(await readDefinitions(projectDir, "tools"))
  const packages = [...new Set(debian.packages)].sort()
  const suite = debian.suite ?? "trixie"
  const dir = await stages.stage({
    name: "tools",
    title: "tools tree: QEMU, erofs-utils and more of Debian trixie",
    inputs: { suite, packages },
    stageDir: home.tools,
    make: async (work) => {
      await makeDebianTree({ suite, packages, purpose: "the tools tree's packages" }, work, stages.runner)
      await unpackToolsTree(join(work, "tree.tar"), work, stages.runner)
      await rm(join(work, "tree.tar"))
    },
  })
  await selectToolsTree(home, basename(dir))
  return dir
}
