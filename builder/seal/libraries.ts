/** Shared libraries of a root file system: those that are asked for must be there, the others go. */

import { closeSync, openSync, readSync } from "node:fs"
import { basename, dirname, resolve } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { neededLibraries, type ReadAt } from "../elf.ts"
import type { Content, Tree } from "../tree.ts"

const LIBRARY_DIR = "/usr/lib/x86_64-linux-gnu"
const LIBRARY = /\.so(?:\.[\w.]+)?$/

/**
 * Removes libraries of the common folder that nothing links, and gives their paths. `loadedByName` names those
 * that programs open at run time, which no file says.
 */
export function dropUnusedLibraries(tree: Tree, loadedByName: readonly string[]): string[] {
  const common = [...tree.keys()].filter((path) => dirname(path) === LIBRARY_DIR && LIBRARY.test(path))
  const used = new Set<string>()
  const visit = (path: string, neededBy: string): void => {
    if (used.has(path)) return
    const entry = tree.get(path)
    if (!entry) throw missing(path, neededBy)
    used.add(path)
    if (entry.kind === "link") visit(resolve(dirname(path), entry.target), path)
    else if (entry.kind === "file") visitNeeds(path, entry.content)
  }
  const visitNeeds = (path: string, content: Content): void => {
    for (const name of neededLibraries(path, readerOf(content))) visit(locate(tree, name, path), path)
  }
  for (const [path, entry] of tree) {
    if (entry.kind === "file" && !common.includes(path)) visitNeeds(path, entry.content)
  }
  for (const name of loadedByName) visit(`${LIBRARY_DIR}/${name}`, "a [[library]] of the image")
  const unused = common.filter((path) => !used.has(path)).sort()
  for (const path of unused) tree.delete(path)
  return unused
}

/** The common folder, the folder of the asking file, and the folder that systemd keeps for itself. */
function locate(tree: Tree, name: string, askedBy: string): string {
  const folders = [LIBRARY_DIR, dirname(askedBy), `${LIBRARY_DIR}/systemd`, "/usr/lib64"]
  const found = folders.map((folder) => `${folder}/${name}`).find((path) => tree.has(path))
  return found ?? `${LIBRARY_DIR}/${basename(name)}`
}

function readerOf(content: Content): ReadAt {
  if ("bytes" in content) return (at, sizeBytes) => content.bytes.subarray(at, at + sizeBytes)
  const { file, startByte = 0, sizeBytes: all } = content
  return (at, wanted) => {
    const piece = Buffer.alloc(Math.max(0, Math.min(wanted, all - at)))
    if (piece.length === 0) return piece
    const opened = openSync(file, "r")
    try {
      return piece.subarray(0, readSync(opened, piece, { position: startByte + at }))
    } finally {
      closeSync(opened)
    }
  }
}

function missing(path: string, neededBy: string): Fault {
  return new Fault("seal/missing-library", `${neededBy} needs ${path}, which is not in the image`, {
    hint: "a [[prune]] took it away, or no package of [debian] packages brings it",
  })
}
