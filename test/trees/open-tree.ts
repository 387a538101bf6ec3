/** Programs of Debian trixie that tests and benchmarks measure stereo with, each in a tree of its own. */

import { rm } from "node:fs/promises"
import { join } from "node:path"
import { openBuildLock } from "../../builder/build-lock.ts"
import { makeLock } from "../../builder/make-lock.ts"
import { providePackages } from "../../builder/package-store.ts"
import { makeDebianTree } from "../../builder/rootfs/debian-tree.ts"
import { run } from "../../builder/run.ts"
import { openStages } from "../../builder/stages.ts"
import { storePath } from "../../builder/store/content-store.ts"
import { debFile } from "../../builder/store/fetch-debs.ts"
import { unpackToolsTree } from "../../builder/tools-tree.ts"
import { homeLayout } from "../../contract/home.ts"
import { STRICT_PROFILE } from "../../contract/image-name.ts"
import { silentProgress } from "../../contract/progress.ts"
import { projectDir, sharedHome } from "../e2e/test-home.ts"

/** Gives the folder of a tree with these packages of Debian's suite, made once for all test runs; run what is in it with bubblewrap. */
export async function openTree(name: string, packages: readonly string[], suite = "trixie"): Promise<string> {
  const home = homeLayout(sharedHome)
  const signal = new AbortController().signal
  await using _lock = await openBuildLock(home.cache, () => undefined, signal)
  const context = { home, progress: silentProgress, signal, now: Date.now }
  const stages = await openStages(context, `tree-${name}`)
  const request = { suite, packages: [...packages].sort(), purpose: `the tree ${name}` }
  // waited for: the lock would be let go before
  return await stages.stage({
    name: "test-trees",
    title: request.purpose,
    inputs: request,
    make: async (work) => {
      const { runner } = stages
      const wants = { suite, root: request.packages, boot: [], npm: [] }
      const target = { projectDir, name, profile: STRICT_PROFILE, wants }
      const { deb: debs, epoch } = await makeLock(target, [], context, runner)
      const note = () => undefined
      const gone = await providePackages({ context, runner, suite, epoch, debs, npms: [], deep: true, note })
      if (gone.length > 0) throw new Error(`the mirror has lost ${gone[0]?.name} since a moment ago`)
      const placed = debs.map((deb) => ({ deb, file: storePath(home, debFile(deb)) }))
      await makeDebianTree(
        placed,
        work,
        (cwd) => (purpose, command) => run({ ...runner, purpose, command, cwd }),
      )
      await unpackToolsTree(join(work, "tree.tar"), work, runner)
      await rm(join(work, "tree.tar"))
    },
  })
}
