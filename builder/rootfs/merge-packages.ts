/** Lays the files of unpacked packages into one tree, and remembers whose each is. Pure. */

import { dirname, resolve } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { PackageRecord } from "../package-record.ts"
import type { Tree, TreeEntry } from "../tree.ts"
import type { UnpackedDeb } from "./unpack-debs.ts"

export interface MergedPackages {
  readonly tree: Tree
  /** Path to the name of its package; of a folder in several, that of the first by name, or base-files. */
  readonly owners: ReadonlyMap<string, string>
  /** Sorted by name. */
  readonly packages: readonly PackageRecord[]
}

/** Links of base-files into /usr; a package may still name a file by the old place. */
const ALIASES = /^\/(bin|sbin|lib|lib64|lib32|libx32)(?=\/)/

/** The same packages give the same tree in whatever order they come. Fault: `rootfs/two-owners`. */
export function mergePackages(unpacked: readonly UnpackedDeb[]): MergedPackages {
  const tree: Tree = new Map()
  const owners = new Map<string, string>()
  const sorted = unpacked.toSorted((left, right) => (rank(left) < rank(right) ? -1 : 1))
  const byName = new Map(sorted.map((each) => [each.record.name, each]))
  for (const each of sorted) {
    for (const [path, entry] of each.tree) {
      const place = path.replace(ALIASES, "/usr/$1")
      const owner = byName.get(owners.get(place) ?? "")
      if (owner && !replaces(each, place, entry, owner, tree)) continue
      tree.set(place, entry)
      owners.set(place, each.record.name)
    }
  }
  const packages = sorted
    .map(({ record }) => ({ ...record, copyright: findCopyright(tree, record.name) }))
    .sort((left, right) => (left.name < right.name ? -1 : 1))
  return { tree, owners, packages }
}

/** base-files says how the folders are that all have. */
function rank({ record }: UnpackedDeb): string {
  return record.name === "base-files" ? "" : record.name
}

/** Whether what a package has at a place takes that of an earlier one away. */
function replaces(
  each: UnpackedDeb,
  path: string,
  entry: TreeEntry,
  owner: UnpackedDeb,
  tree: Tree,
): boolean {
  const there = tree.get(path)
  if (there === undefined) return true
  // a link to a folder stands for it, as dpkg has it
  if (entry.kind === "directory" && there.kind !== "file") return false
  if (there.kind === "directory" && entry.kind === "link") return false
  if (isSame(there, entry)) return false
  if (each.replaces.includes(owner.record.name)) return true
  if (owner.replaces.includes(each.record.name)) return false
  throw new Fault(
    "rootfs/two-owners",
    `${path} is in two packages, ${owner.record.name} and ${each.record.name}, and neither says that it replaces the other's`,
    { hint: "an image can have only one of them" },
  )
}

function isSame(left: TreeEntry, right: TreeEntry): boolean {
  if (left.kind === "link" && right.kind === "link") return left.target === right.target
  if (left.kind !== "file" || right.kind !== "file" || left.mode !== right.mode) return false
  return "bytes" in left.content && "bytes" in right.content && left.content.bytes.equals(right.content.bytes)
}

function findCopyright(tree: Tree, name: string): string | null {
  let path = `/usr/share/doc/${name}`
  const folder = tree.get(path)
  if (folder?.kind === "link") path = resolve(dirname(path), folder.target)
  let file = tree.get(`${path}/copyright`)
  if (file?.kind === "link") file = tree.get(resolve(path, file.target))
  return file?.kind === "file" && "bytes" in file.content ? file.content.bytes.toString("utf8") : null
}
