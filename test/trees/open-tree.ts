/** Programs of Debian trixie that tests and benchmarks measure stereo with, each in a tree of its own. */

import { rm } from "node:fs/promises"
import { join } from "node:path"
import { openBuildLock } from "../../builder/build-lock.ts"
import { makeDebianTree } from "../../builder/rootfs/debian-tree.ts"
import { openStages } from "../../builder/stages.ts"
import { unpackToolsTree } from "../../builder/tools-tree.ts"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { sharedHome } from "../e2e/test-home.ts"

/** Gives the folder of a tree with these packages of Debian's suite, made once for all test runs; run what is in it with bubblewrap. */
export async function openTree(name: string, packages: readonly string[], suite = "trixie"): Promise<string> {
  const home = homeLayout(sharedHome)
  const signal = new AbortController().signal
  await using _lock = await openBuildLock(join(home.cache, "test-trees"), () => undefined, signal)
  const stages = await openStages({ home, progress: silentProgress, signal, now: Date.now }, `tree-${name}`)
  const request = { suite, packages: [...packages].sort(), purpose: `the tree ${name}` }
  return stages.stage({
    name: "test-trees",
    title: request.purpose,
    inputs: request,
    make: async (work) => {
      await makeDebianTree(request, work, stages.runner)
      await unpackToolsTree(join(work, "tree.tar"), work, stages.runner)
      await rm(join(work, "tree.tar"))
    },
  })
}
