/** The rootfs stage: what an image takes from Debian and from npm, fetched, checked and unpacked. */

import { join } from "node:path"
import type { Plan, PlannedNpm } from "./plan.ts"
import { type DebianTree, makeDebianTree, readDebianTree } from "./rootfs/debian-tree.ts"
import { fetchNpmArchive, takeNpmFiles } from "./rootfs/npm-files.ts"
import type { Stages } from "./stages.ts"
import { runTool } from "./tools-tree.ts"

export interface Rootfs {
  readonly root: DebianTree
  readonly boot: DebianTree
  readonly npmFiles: readonly { readonly path: string; readonly mode: number; readonly file: string }[]
  readonly npmTrees: readonly { readonly npm: PlannedNpm; readonly archive: string }[]
}

export async function makeRootfs(plan: Plan, toolsDir: string, stages: Stages): Promise<Rootfs> {
  const root = await debianStage(plan, "root", plan.debian.packages, stages)
  const boot = await debianStage(plan, "boot", plan.boot.packages, stages)
  const npmFiles: Rootfs["npmFiles"][number][] = []
  const npmTrees: Rootfs["npmTrees"][number][] = []
  for (const npm of plan.npm) {
    const archive = await archiveStage(npm, stages)
    if (npm.tree) npmTrees.push({ npm, archive })
    if (npm.files.length === 0) continue
    const dir = await filesStage(plan, npm, archive, toolsDir, stages)
    npmFiles.push(
      ...npm.files.map(({ to, mode }, index) => ({ path: to, mode, file: join(dir, String(index)) })),
    )
  }
  return { root, boot, npmFiles, npmTrees }
}

async function debianStage(
  plan: Plan,
  part: "root" | "boot",
  packages: readonly string[],
  stages: Stages,
): Promise<DebianTree> {
  const { suite } = plan.debian
  const purpose = part === "root" ? "the root's Debian packages" : "the kernel and the initramfs's packages"
  const dir = await stages.stage({
    name: `rootfs-${part}`,
    title: `rootfs: ${purpose}`,
    fromOutside: true,
    inputs: { suite, packages, recipe: plan.recipes.rootfs },
    make: (work) => makeDebianTree({ suite, packages, purpose }, work, stages.runner),
  })
  return readDebianTree(dir)
}

async function archiveStage(npm: PlannedNpm, stages: Stages): Promise<string> {
  const dir = await stages.stage({
    name: "npm-archive",
    title: `rootfs: npm package ${npm.name} ${npm.version}`,
    inputs: { integrity: npm.integrity },
    make: (work) => fetchNpmArchive(npm, work, stages.runner),
  })
  return join(dir, "package.tgz")
}

async function filesStage(
  plan: Plan,
  npm: PlannedNpm,
  archive: string,
  toolsDir: string,
  stages: Stages,
): Promise<string> {
  return stages.stage({
    name: "npm-files",
    title: `rootfs: files of ${npm.name}`,
    inputs: { integrity: npm.integrity, files: npm.files, recipe: plan.recipes.rootfs },
    make: async (work) => {
      await takeNpmFiles(npm, archive, work)
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
