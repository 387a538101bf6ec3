/** Puts whole npm packages into the tree: every file of an archive below one folder, nothing of it run. */

import { Fault } from "../../contract/fault.ts"
import type { PlannedNpm } from "../plan.ts"
import { readTree, type Tree } from "../tree.ts"
import { matchesOf } from "./prune.ts"

export interface NpmTree {
  readonly npm: PlannedNpm
  /** Its archive, as the registry has it. */
  readonly archive: string
}

/** Gives the paths of its files. Modes are made plain, links are left out as npm does it; the commands of `bin` become executable. */
export async function addNpmTree(tree: Tree, { npm, archive }: NpmTree): Promise<string[]> {
  if (!npm.tree) return []
  const { to, leave, executable } = npm.tree
  const left = matchesOf(leave)
  const packed = await readTree(archive, (path) => left(withinPackage(path)))
  const added: string[] = []
  for (const [path, entry] of packed) {
    const within = withinPackage(path)
    if (entry.kind !== "file" || within === "") continue
    const isProgram = (entry.mode & 0o111) !== 0 || executable.includes(within)
    tree.set(`${to}/${within}`, { ...entry, mode: isProgram ? 0o755 : 0o644, uid: 0, gid: 0 })
    added.push(`${to}/${within}`)
  }
  const lacking = executable.find((file) => tree.get(`${to}/${file}`)?.kind !== "file")
  if (lacking === undefined) return added
  throw new Fault("seal/no-npm-file", `npm package ${npm.name} ${npm.version} has no file ${lacking}`, {
    hint: "a command of `bin` names a file of the package; `leave` may have taken it away",
  })
}

/** Archives hold everything in one folder, mostly called `package`. */
function withinPackage(path: string): string {
  return path.split("/").slice(2).join("/")
}
