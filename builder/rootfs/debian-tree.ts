/** Locked Debian packages unpacked into one tar archive, with a record of each and whose file is whose. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { PackageRecord } from "../package-record.ts"
import { writeTree } from "../tree.ts"
import { mergePackages } from "./merge-packages.ts"
import { type PlacedDeb, type RunInDir, unpackDebs } from "./unpack-debs.ts"

export interface DebianTree {
  /** The files, as a tar archive. */
  readonly tar: string
  readonly tarSha256: string
  readonly packages: readonly PackageRecord[]
  /** Path to the name of its package. */
  readonly owners: ReadonlyMap<string, string>
}

/** Leaves `tree.tar` and `tree.json` in `dir`. `runIn` runs a command in the folder that it is given. */
export async function makeDebianTree(
  debs: readonly PlacedDeb[],
  dir: string,
  runIn: (workDir: string) => RunInDir,
): Promise<void> {
  const workDir = join(dir, "debs")
  await mkdir(workDir)
  const { tree, owners, packages } = mergePackages(await unpackDebs(debs, workDir, runIn(workDir)))
  await rm(workDir, { recursive: true })
  const tar = join(dir, "tree.tar")
  const tarSha256 = await writeTree(tree, tar)
  const record = { tarSha256, packages, owners: Object.fromEntries(owners) }
  await writeFile(join(dir, "tree.json"), JSON.stringify(record))
}

export async function readDebianTree(dir: string): Promise<DebianTree> {
  const { tarSha256, packages, owners } = JSON.parse(await readFile(join(dir, "tree.json"), "utf8"))
  return { tar: join(dir, "tree.tar"), tarSha256, packages, owners: new Map(Object.entries(owners)) }
}
