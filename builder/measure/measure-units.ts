/** Reads the units out of a sealed tree, as the guest will find them. */

import { createHash } from "node:crypto"
import { Fault } from "../../contract/fault.ts"
import { renderUnitSet, UNIT_FOLDERS, type UnitEntry } from "../../contract/unit-set.ts"
import { readTree, type TreeEntry } from "../tree.ts"

export const UNITS_FILE = "units.json"

/** The unit set's text. Fault: `measure/folder-is-link`, since the guest would look elsewhere. */
export async function measureUnits(tar: string): Promise<string> {
  const tree = await readTree(tar, (path) => !isOfInterest(path))
  const entries: UnitEntry[] = []
  for (const [path, entry] of tree) {
    if (entry.kind === "directory") continue
    if (!isUnit(path)) {
      throw new Fault("measure/folder-is-link", `${path} is no folder, and systemd reads units there`)
    }
    entries.push(describe(path, entry))
  }
  return renderUnitSet(entries)
}

/** A unit, or what leads to one. */
function isOfInterest(path: string): boolean {
  return isUnit(path) || UNIT_FOLDERS.some((folder) => folder === path || folder.startsWith(`${path}/`))
}

function isUnit(path: string): boolean {
  return UNIT_FOLDERS.some((folder) => path.startsWith(`${folder}/`))
}

function describe(path: string, entry: Exclude<TreeEntry, { kind: "directory" }>): UnitEntry {
  if (entry.kind === "link") return { path, kind: "link", content: entry.target, mode: "0777" }
  const { content, mode } = entry
  // readTree gives what it has read; only what comes from npm is a file of the cache, and no unit does
  if (!("bytes" in content)) throw new Fault("measure/no-content", `${path}: its bytes were not read`)
  const sha256 = createHash("sha256").update(content.bytes).digest("hex")
  return { path, kind: "file", content: sha256, mode: (mode & 0o7777).toString(8).padStart(4, "0") }
}
