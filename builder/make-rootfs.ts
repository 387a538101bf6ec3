/** The rootfs stage: the packages of the lock, out of the store, checked and unpacked. */

import { join } from "node:path"
import type { ImageLock } from "../contract/image-lock.ts"
import { goneFault, providePackages } from "./package-store.ts"
import type { Plan, PlannedNpm } from "./plan.ts"
import { type DebianTree, makeDebianTree, readDebianTree } from "./rootfs/debian-tree.ts"
import { takeNpmFiles } from "./rootfs/npm-files.ts"
import type { RunInDir } from "./rootfs/unpack-debs.ts"
import type { BuildContext, Stages } from "./stages.ts"
import { storePath } from "./store/content-store.ts"
import { debFile } from "./store/fetch-debs.ts"
import { npmFile } from "./store/fetch-npm.ts"
import { runTool } from "./tools-tree.ts"

export interface RootfsRequest {
  readonly plan: Plan
  readonly lock: ImageLock
  /** The lock's file, as it is shown to people. */
  readonly lockFile: string
  readonly toolsDir: string
  readonly context: BuildContext
  readonly stages: Stages
}

export interface NpmFile {
  readonly path: string
  readonly mode: number
  readonly file: string
  /** The package's name. */
  readonly npm: string
}

export interface Rootfs {
  readonly root: DebianTree
  readonly boot: DebianTree
  readonly npmFiles: readonly NpmFile[]
  readonly npmTrees: readonly { readonly npm: PlannedNpm; readonly archive: string }[]
  /** Gives the archive of an npm package of the plan, read again and, if it is not as locked, fetched again. */
  readonly npmArchive: (npm: PlannedNpm) => Promise<string>
}

export async function makeRootfs(request: RootfsRequest): Promise<Rootfs> {
  const root = await debianStage(request, "root")
  const boot = await debianStage(request, "boot")
  const npmFiles: NpmFile[] = []
  const npmTrees: Rootfs["npmTrees"][number][] = []
  for (const npm of request.plan.npm) {
    if (npm.tree) npmTrees.push({ npm, archive: storePath(request.context.home, npmFile(npm)) })
    if (npm.files.length === 0) continue
    const dir = await filesStage(request, npm)
    npmFiles.push(
      ...npm.files.map(({ to, mode }, index) => {
        return { path: to, mode, file: join(dir, String(index)), npm: npm.name }
      }),
    )
  }
  const readNpms = (integrities: readonly string[]) => {
    const npms = request.lock.npm.filter(({ integrity }) => integrities.includes(integrity))
    return readAgain(request, { debs: [], npms })
  }
  await readNpms(npmTrees.map(({ npm }) => npm.integrity))
  const npmArchive = async (npm: PlannedNpm) => {
    await readNpms([npm.integrity])
    return storePath(request.context.home, npmFile(npm))
  }
  return { root, boot, npmFiles, npmTrees, npmArchive }
}

async function debianStage(request: RootfsRequest, part: "root" | "boot"): Promise<DebianTree> {
  const { plan, lock, toolsDir, context, stages } = request
  const debs = lock.deb.filter(({ parts }) => parts.includes(part))
  const purpose = part === "root" ? "the root's Debian packages" : "the kernel and the initramfs's packages"
  const storeDir = join(context.home.cache, "store")
  const placed = debs.map((deb) => {
    return { deb, file: `/in/store/${storePath(context.home, debFile(deb)).slice(storeDir.length + 1)}` }
  })
  const runIn =
    (workDir: string): RunInDir =>
    (title, command) =>
      runTool(toolsDir, { ...stages.runner, purpose: title, workDir, inputs: { store: storeDir }, command })
  const dir = await stages.stage({
    name: `rootfs-${part}`,
    title: `rootfs: ${purpose}`,
    inputs: { debs: debs.map(({ sha256 }) => sha256), recipe: plan.recipes.rootfs },
    make: async (work) => {
      await readAgain(request, { debs, npms: [] })
      await makeDebianTree(placed, work, runIn)
    },
  })
  return readDebianTree(dir)
}

async function filesStage(request: RootfsRequest, npm: PlannedNpm): Promise<string> {
  const { plan, lock, toolsDir, context, stages } = request
  return stages.stage({
    name: "npm-files",
    title: `rootfs: files of ${npm.name} ${npm.version}`,
    inputs: { integrity: npm.integrity, files: npm.files, recipe: plan.recipes.rootfs },
    make: async (work) => {
      await readAgain(request, {
        debs: [],
        npms: lock.npm.filter(({ integrity }) => integrity === npm.integrity),
      })
      await takeNpmFiles(npm, storePath(context.home, npmFile(npm)), work)
      const stripped = npm.files.flatMap(({ strip }, index) => (strip ? [String(index)] : []))
      if (stripped.length === 0) return
      await runTool(toolsDir, {
        ...stages.runner,
        purpose: `taking symbols out of ${npm.name}`,
        workDir: work,
        command: ["strip", "--strip-all", "--enable-deterministic-archives", ...stripped],
      })
    },
  })
}

/** Every byte of the packages that are about to be unpacked; a damaged one is fetched again. */
async function readAgain(
  { context, stages, lock, lockFile, plan }: RootfsRequest,
  packages: Pick<Parameters<typeof providePackages>[0], "debs" | "npms">,
): Promise<void> {
  const note = () => undefined
  const gone = await providePackages({
    ...{ context, runner: stages.runner, suite: lock.suite, epoch: lock.epoch, deep: true, note },
    ...packages,
  })
  if (gone.length > 0) {
    throw goneFault({ file: lockFile, image: context.locks ? null : plan.name, gone, lock })
  }
}
