/** Reads what an image for a cloud was told of its site back out of the image: all that a plan needs is in it. */

import { mkdtemp, realpath, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Home } from "../contract/home.ts"
import { type Site, site } from "../contract/site.ts"
import { currentToolsTree } from "../contract/tools-tree.ts"
import { SITE_FILES } from "../contract/wire.ts"
import { hashFile } from "./hash-file.ts"
import { type Artifact, adviseCheckout } from "./read-artifact.ts"
import { readRootFiles } from "./read-root-files.ts"

/** site.toml wants a reason for each network, which goes into no image. */
const NO_REASON = "the image says so, and keeps no reason"

/** Null for an image that was built for no site. Faults: `rebuild/damaged`, `rebuild/no-tools`, `rebuild/other-version`. */
export async function readBuiltSite(home: Home, image: Artifact, signal: AbortSignal): Promise<Site | null> {
  const wall = image.manifest.site
  if (wall === undefined) return null
  const rootDisk = await findRoot(image)
  const scratch = await mkdtemp(join(tmpdir(), "stereo-site-"))
  try {
    const paths = Object.values(SITE_FILES)
    const toolsDir = await findTools(home)
    const files = await readRootFiles({ rootDisk, paths, toolsDir, dir: scratch, signal })
    const text = (path: string) => files.get(path)?.toString("utf8") ?? ""
    return site.parse({
      gateway: { ...JSON.parse(text(SITE_FILES.gateway)), ca: text(SITE_FILES.authority) },
      ssh: {
        keys: text(SITE_FILES.authorizedKeys).split("\n").slice(0, -1),
        allow: wall.ssh.allow.map((net) => ({ net, why: NO_REASON })),
      },
    })
  } catch (cause) {
    if (cause instanceof Fault || signal.aborted) throw cause
    throw new Fault(
      "rebuild/other-version",
      `the site's files in ${rootDisk} are not such as this version of stereo writes`,
      { hint: adviseCheckout(image), cause },
    )
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Checked first: a site out of a root that was changed would be taken for another checkout's. */
async function findRoot({ dir, manifest }: Artifact): Promise<string> {
  const { name, sha256 } = manifest.files.root
  const file = join(dir, name)
  const actual = await hashFile(file).catch((cause: unknown) => `unknown: ${reasonOf(cause)}`)
  if (actual === sha256) return file
  throw new Fault("rebuild/damaged", `${file} was changed: sha256 ${actual}, expected ${sha256}`, {
    hint: "the site that the image was built for is read out of it: pull or build it again",
  })
}

async function findTools(home: Home): Promise<string> {
  try {
    return await realpath(currentToolsTree(home))
  } catch (cause) {
    throw new Fault(
      "rebuild/no-tools",
      "the site is read out of the image's root, and there is no tools tree",
      {
        hint: "stereo setup",
        cause,
      },
    )
  }
}
