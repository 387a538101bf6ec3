/** The seal and artifact stages: from unpacked packages to a kernel, an initramfs and a measured root disk. */

import { readFile, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { makeBoot } from "./artifact/make-boot.ts"
import { makeRoot } from "./artifact/make-root.ts"
import type { Rootfs } from "./make-rootfs.ts"
import { refusedTree } from "./refused-tree.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import { type SealReport, sealTree } from "./seal/seal-tree.ts"
import type { Stages } from "./stages.ts"
import { runTool } from "./tools-tree.ts"

const INVENTORY_FILE = "inventory.json"

export interface Sealed {
  readonly tar: string
  readonly tarSha256: string
  readonly report: SealReport
  /** The file that lists each path of the tree. */
  readonly inventory: string
}

export async function sealImage(
  resolved: ResolvedPlan,
  rootfs: Rootfs,
  toolsDir: string,
  stages: Stages,
): Promise<Sealed> {
  const { plan, contents } = resolved
  const dir = await stages.stage({
    name: "seal",
    title: "seal: pruned, hardened, with the image's own files",
    inputs: {
      debian: rootfs.root.tarSha256,
      npm: plan.npm,
      prune: plan.prune,
      keep: plan.keep,
      libraries: plan.libraries,
      entries: plan.entries,
      tools: basename(toolsDir),
      recipe: plan.recipes.seal,
    },
    make: async (work) => {
      const pythonDir = join(work, "python")
      const sealed = await sealTree({
        plan,
        debianTar: rootfs.root.tar,
        debianOwners: rootfs.root.owners,
        npmFiles: rootfs.npmFiles,
        npmTrees: rootfs.npmTrees,
        contents,
        python: {
          dir: pythonDir,
          run: (command) =>
            runTool(toolsDir, {
              ...stages.runner,
              ...{ purpose: "byte code of Python's modules", workDir: pythonDir, command },
            }),
        },
        tar: join(work, "root.tar"),
        refusedTar: refusedTree(work),
        inventory: join(work, INVENTORY_FILE),
      })
      await writeFile(join(work, "seal.json"), JSON.stringify(sealed, null, 1))
    },
  })
  const record = JSON.parse(await readFile(join(dir, "seal.json"), "utf8"))
  const { tarSha256, report } = record
  return { tar: join(dir, "root.tar"), tarSha256, report, inventory: join(dir, INVENTORY_FILE) }
}

/** Gives the folder with `vmlinuz` and `initramfs.cpio.zst`. */
export function makeBootFiles(
  { plan }: ResolvedPlan,
  rootfs: Rootfs,
  toolsDir: string,
  stages: Stages,
): Promise<string> {
  return stages.stage({
    name: "artifact-boot",
    title: "artifact: kernel and initramfs",
    inputs: { boot: rootfs.boot.tarSha256, modules: plan.kernel.modules, recipe: plan.recipes.artifact },
    make: (dir) => makeBoot({ ...stages.runner, plan, bootTar: rootfs.boot.tar, toolsDir, dir }),
  })
}

/** Gives the folder with `root.verity`. */
export function makeRootDisk(
  { plan }: ResolvedPlan,
  sealed: Sealed,
  toolsDir: string,
  stages: Stages,
): Promise<string> {
  const { tar, tarSha256 } = sealed
  const compression = plan.root.compression.method
  return stages.stage({
    name: "artifact-root",
    title: "artifact: erofs root with its dm-verity tree",
    inputs: { tarSha256, compression, tools: basename(toolsDir), recipe: plan.recipes.artifact },
    make: (dir) => makeRoot({ ...stages.runner, tar, tarSha256, compression, toolsDir, dir }),
  })
}
