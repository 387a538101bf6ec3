/** Makes the image's root file system out of Debian's: pruned, hardened, normalised, with the image's own files. */

import { stat } from "node:fs/promises"
import { Fault } from "../../contract/fault.ts"
import type { Plan, PlannedEntry } from "../plan.ts"
import { readTree, type Tree, type TreeEntry, writeTree } from "../tree.ts"
import { addByteCode, type PythonCompiler } from "./byte-code.ts"
import { type Origins, writeInventory } from "./inventory.ts"
import { dropUnusedLibraries } from "./libraries.ts"
import { addNpmTree, type NpmTree } from "./npm-trees.ts"
import { compilePrune } from "./prune.ts"

export interface SealRequest {
  readonly plan: Plan
  readonly debianTar: string
  /** Path in it to the name of its package. */
  readonly debianOwners: ReadonlyMap<string, string>
  /** Files taken out of npm packages, with where each goes. */
  readonly npmFiles: readonly NpmFile[]
  readonly npmTrees: readonly NpmTree[]
  /** Bytes of the plan's file entries by sha256. */
  readonly contents: ReadonlyMap<string, Buffer>
  readonly python: PythonCompiler
  readonly tar: string
  /** Where the tree is left when a check refuses it. */
  readonly refusedTar: string
  /** The file that is to list each path of the tree. */
  readonly inventory: string
}

interface NpmFile {
  readonly path: string
  readonly mode: number
  readonly file: string
  /** The package's name. */
  readonly npm: string
}

export interface SealReport {
  readonly entries: number
  readonly sizeBytes: number
  readonly pruned: readonly { readonly why: string; readonly files: number; readonly sizeBytes: number }[]
  readonly unusedLibraries: readonly string[]
  /** Python modules that were compiled. */
  readonly pythonModules: number
  /** Files that lost a setuid or setgid bit, or a capability. */
  readonly unprivileged: readonly string[]
}

export interface SealedTree {
  /** Of the archive. */
  readonly tarSha256: string
  readonly report: SealReport
}

/** Writes the sealed tree as a tar archive, lists it, and says what was taken away. */
export async function sealTree(request: SealRequest): Promise<SealedTree> {
  const { plan } = request
  const prune = compilePrune(
    plan.prune,
    plan.keep.flatMap(({ items }) => items),
  )
  const pruned = plan.prune.map(({ why }) => ({ why, files: 0, sizeBytes: 0 }))
  const skip = (path: string, sizeBytes: number) => {
    const row = pruned[prune(path) ?? -1]
    if (row) {
      row.files += 1
      row.sizeBytes += sizeBytes
    }
    return row !== undefined || path.startsWith("/dev/")
  }
  const tree = await readTree(request.debianTar, skip)
  const origins: Origins = new Map()
  for (const [path, name] of request.debianOwners) origins.set(path, `deb:${name}`)
  for (const { path, mode, file, npm } of request.npmFiles) {
    const content = { file, sizeBytes: (await stat(file)).size }
    tree.set(path, { kind: "file", mode, uid: 0, gid: 0, content })
    origins.set(path, `npm:${npm}`)
  }
  for (const npmTree of request.npmTrees) {
    for (const path of await addNpmTree(tree, npmTree)) origins.set(path, `npm:${npmTree.npm.name}`)
  }
  for (const entry of plan.entries) {
    tree.set(entry.path, plannedEntry(entry, request.contents))
    origins.set(entry.path, `definition:${entry.from.replace(/\s/g, "%20")}`)
  }
  addParents(tree, origins)
  const unusedLibraries = await keepRefused(tree, request.refusedTar, () => {
    refusePathsThroughLinks(tree)
    return dropUnusedLibraries(
      tree,
      plan.libraries.flatMap(({ items }) => items),
    )
  })
  const pythonModules = await addByteCode(tree, origins, request.python)
  const unprivileged = dropPrivilegeBits(tree)
  const tarSha256 = await writeTree(tree, request.tar)
  await writeInventory(tree, origins, request.inventory)
  const taken = { pruned, unusedLibraries, unprivileged }
  return { tarSha256, report: { entries: tree.size, sizeBytes: totalSize(tree), pythonModules, ...taken } }
}

/** A tree that a check refuses is kept, so that people can look at what the check saw. */
async function keepRefused<Result>(tree: Tree, tar: string, check: () => Result): Promise<Result> {
  try {
    return check()
  } catch (thrown) {
    await writeTree(tree, tar)
    throw thrown
  }
}

function plannedEntry(entry: PlannedEntry, contents: ReadonlyMap<string, Buffer>): TreeEntry {
  if (entry.kind === "link") return { kind: "link", target: entry.target }
  const { mode, uid, gid } = entry
  if (entry.kind === "directory") return { kind: "directory", mode, uid, gid }
  const bytes = contents.get(entry.sha256)
  if (!bytes) throw new Fault("seal/no-content", `${entry.path}: the bytes of ${entry.from} were not read`)
  return { kind: "file", mode, uid, gid, content: { bytes, sizeBytes: bytes.length } }
}

/** A folder that nothing brings is there because of what lies in it. */
function addParents(tree: Tree, origins: Origins): void {
  for (const path of [...tree.keys()].sort()) {
    for (const parent of parentsOf(path)) {
      if (tree.has(parent)) continue
      tree.set(parent, { kind: "directory", mode: 0o755, uid: 0, gid: 0 })
      origins.set(parent, origins.get(path) ?? "")
    }
  }
}

/** Debian's /bin, /lib, … are links into /usr: a file placed through one would replace it. */
function refusePathsThroughLinks(tree: Tree): void {
  for (const path of tree.keys()) {
    const link = parentsOf(path).find((parent) => tree.get(parent)?.kind !== "directory")
    if (link === undefined) continue
    throw new Fault("seal/path-through-link", `${path}: ${link} is not a folder of the image`, {
      hint: "name the folder that it leads to, for example /usr/lib/… instead of /lib/…",
    })
  }
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(1, -1)
  return parts.map((_part, index) => `/${parts.slice(0, index + 1).join("/")}`)
}

function dropPrivilegeBits(tree: Tree): string[] {
  const dropped: string[] = []
  for (const [path, entry] of tree) {
    if (entry.kind !== "file") continue
    const { capabilities, ...plain } = entry
    if (capabilities === undefined && (entry.mode & 0o6000) === 0) continue
    tree.set(path, { ...plain, mode: entry.mode & 0o1777 })
    dropped.push(path)
  }
  return dropped.sort()
}

function totalSize(tree: Tree): number {
  return [...tree.values()].reduce(
    (sum, entry) => sum + (entry.kind === "file" ? entry.content.sizeBytes : 0),
    0,
  )
}
