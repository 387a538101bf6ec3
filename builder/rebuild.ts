/** Builds an image again from the locks that it carries, with nothing of earlier builds but packages, and compares. */

import { mkdir, mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises"
import { basename, join } from "node:path"
import { Fault } from "../contract/fault.ts"
import { type Home, homeLayout } from "../contract/home.ts"
import { storedName } from "../contract/image-name.ts"
import type { Site } from "../contract/site.ts"
import { currentToolsTree } from "../contract/tools-tree.ts"
import { buildImage } from "./build.ts"
import { openBuildLock } from "./build-lock.ts"
import { type Comparison, compareArtifacts } from "./compare/compare-artifacts.ts"
import { findImageFolder } from "./find-image-folder.ts"
import { type Artifact, adviseCheckout, readArtifact } from "./read-artifact.ts"
import { readBuiltSite } from "./read-built-site.ts"
import { resolvePlan } from "./resolve-plan.ts"
import type { BuildContext } from "./stages.ts"

export interface RebuildReport extends Comparison {
  readonly name: string
  /** sha256 of the manifest as it was, and of the one that came out now. */
  readonly digest: string
  readonly rebuiltDigest: string
  /** Where the second image was left for a closer look; null: nothing differs. */
  readonly keptDir: string | null
}

/**
 * Signatures are not compared. Faults: `image/not-built`, `rebuild/damaged`, `rebuild/other-version`, `rebuild/no-tools`,
 * `rebuild/other-plan`, those of a build.
 */
export async function rebuildImage(
  projectDir: string,
  reference: string,
  context: BuildContext,
): Promise<RebuildReport> {
  const { home, progress, signal } = context
  const { dir } = await findImageFolder(home, reference)
  const image = await readArtifact(dir)
  const { name, profile } = image.manifest
  const site = await readBuiltSite(home, image, signal)
  await refuseOtherPlan(projectDir, image, site)
  await using _lock = await progress.step("build lock", (note) =>
    openBuildLock(home.cache, (holder) => note(`waiting for the build of ${holder}`), signal),
  )
  const scratch = await openScratchHome(home)
  let left: "all" | "logs" | "nothing" = "logs"
  try {
    const { signing: _own, ...rest } = context
    const locks = { image: image.lock, tools: image.toolsLock }
    const rebuilt = await buildImage(projectDir, { name, profile, site }, { ...rest, home: scratch, locks })
    const logFile = join(scratch.cache, "logs", "compare.log")
    const toolsDir = await realpath(currentToolsTree(scratch))
    const comparison = await progress.step("compare: file by file", () =>
      compareArtifacts({
        ...{ before: dir, after: rebuilt.image.dir, manifest: image.manifest },
        ...{ toolsDir, workDir: join(scratch.root, "compare"), logFile, signal },
      }),
    )
    const same = rebuilt.image.digest === basename(dir) && comparison.files.every((file) => file.same)
    left = same ? "nothing" : "all"
    return {
      ...{ name: storedName({ name, profile }), digest: basename(dir), rebuiltDigest: rebuilt.image.digest },
      ...{ ...comparison, keptDir: same ? null : rebuilt.image.dir },
    }
  } finally {
    if (left !== "all") await clearScratchHome(scratch, left === "logs" && !signal.aborted)
  }
}

/**
 * An image comes out the same only where the plan does. One that cannot be planned here at all, for want of its
 * definition or its profile, is one of another checkout as well.
 */
async function refuseOtherPlan(projectDir: string, image: Artifact, site: Site | null): Promise<void> {
  const { name, profile, plan } = image.manifest
  const [found, cause] = await resolvePlan(projectDir, name, profile, site).then(
    ({ sha256 }) => [`give ${sha256}`, undefined],
    (thrown: unknown) => {
      if (thrown instanceof Fault) return [`give none: ${thrown.message}`, thrown]
      throw thrown
    },
  )
  if (found === `give ${plan}`) return
  throw new Fault(
    "rebuild/other-plan",
    `image ${storedName({ name, profile })} is of plan ${plan}; the definitions and the builder here ${found}`,
    { hint: adviseCheckout(image), cause },
  )
}

/** A home of its own: of the real one it sees the packages, which are checked as they are used, and tools trees. */
async function openScratchHome(home: Home): Promise<Home> {
  const [parent, store] = [join(home.cache, "rebuild"), join(home.cache, "store")]
  // of a home that has only what was pulled, neither is there yet
  for (const shared of [store, home.tools]) await mkdir(shared, { recursive: true })
  await mkdir(parent, { recursive: true })
  // those of rebuilds that were killed or looked into; the build lock says that nobody uses one
  for (const old of await readdir(parent)) await rm(join(parent, old), { recursive: true, force: true })
  const scratch = homeLayout(await mkdtemp(join(parent, "home-")))
  await mkdir(scratch.cache)
  await mkdir(scratch.tools)
  await symlink(store, join(scratch.cache, "store"))
  for (const name of await readdir(home.tools)) {
    if (/^[0-9a-f]{64}$/.test(name)) await symlink(join(home.tools, name), join(scratch.tools, name))
  }
  return scratch
}

/** A failure names its log, which stays until the next rebuild. */
async function clearScratchHome({ root, cache }: Home, keepLogs: boolean): Promise<void> {
  const remove = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const
  if (!keepLogs) return rm(root, remove)
  const kept = [cache, join(cache, "logs")]
  for (const dir of [root, cache]) {
    for (const name of await readdir(dir))
      if (!kept.includes(join(dir, name))) await rm(join(dir, name), remove)
  }
}
