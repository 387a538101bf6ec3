/** Makes the tools tree: the programs with which images are built and machines run. */

import { existsSync } from "node:fs"
import { rm } from "node:fs/promises"
import { basename, join } from "node:path"
import type { ImageLock } from "../contract/image-lock.ts"
import { STRICT_PROFILE, TOOLS_NAME } from "../contract/image-name.ts"
import { readDefinitions } from "./definition/read-definitions.ts"
import type { LockWants } from "./lock/compare-locks.ts"
import { type LockInUse, openLock } from "./make-lock.ts"
import { goneFault, providePackages } from "./package-store.ts"
import { flattenDefinitions } from "./plan/flatten.ts"
import { makeDebianTree } from "./rootfs/debian-tree.ts"
import { run } from "./run.ts"
import { stageKey } from "./stage-cache.ts"
import type { BuildContext, Stages } from "./stages.ts"
import { storePath } from "./store/content-store.ts"
import { debFile } from "./store/fetch-debs.ts"
import { selectToolsTree, unpackToolsTree } from "./tools-tree.ts"

export interface ToolsInUse extends LockInUse {
  readonly toolsDir: string
}

/** Gives the folder of the tools tree, made if its lock is new. The caller holds the build lock. */
export async function setupTools(
  projectDir: string,
  context: BuildContext,
  stages: Stages,
): Promise<ToolsInUse> {
  const { home } = context
  const wants = await toolsWants(projectDir)
  const inputsOf = ({ deb }: ImageLock) => ({ debs: deb.map(({ sha256 }) => sha256) })
  const isMade = (lock: ImageLock) => existsSync(join(home.tools, stageKey(inputsOf(lock))))
  const target = {
    projectDir,
    name: TOOLS_NAME,
    profile: STRICT_PROFILE,
    wants,
    isMade,
    given: context.locks?.tools,
  }
  const inUse = await openLock(target, context, stages)
  const { lock, file } = inUse
  const dir = await stages.stage({
    name: "tools",
    title: "tools tree: QEMU, erofs-utils and more of Debian trixie",
    inputs: inputsOf(lock),
    stageDir: home.tools,
    make: async (work) => {
      const note = () => undefined
      const gone = await providePackages({
        ...{ context, runner: stages.runner, note, deep: true },
        ...{ suite: lock.suite, epoch: lock.epoch, debs: lock.deb, npms: [] },
      })
      if (gone.length > 0) {
        throw goneFault({ file, image: context.locks ? null : TOOLS_NAME, gone, lock })
      }
      const placed = lock.deb.map((deb) => ({ deb, file: storePath(home, debFile(deb)) }))
      // the host's dpkg-deb: there is no tree yet that has one
      await makeDebianTree(placed, work, (cwd) => (purpose, command) => {
        return run({ ...stages.runner, purpose, command, cwd })
      })
      await unpackToolsTree(join(work, "tree.tar"), work, stages.runner)
      await rm(join(work, "tree.tar"))
    },
  })
  await selectToolsTree(home, basename(dir))
  return { ...inUse, toolsDir: dir }
}

/** What images/tools asks a lock for: it is a definition, and no image. */
export async function toolsWants(projectDir: string): Promise<LockWants> {
  const { debian } = flattenDefinitions(await readDefinitions(projectDir, TOOLS_NAME))
  const root = [...new Set(debian.packages)].sort()
  return { suite: debian.suite ?? "trixie", root, boot: [], npm: [] }
}
