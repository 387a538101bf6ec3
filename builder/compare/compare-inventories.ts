/** Says which paths of two root file systems differ, and in what. */

import { readFile } from "node:fs/promises"
import { type InventoryEntry, inventory } from "../../contract/inventory.ts"

export interface InventoryComparison {
  /** A line a path, the first ones. */
  readonly lines: readonly string[]
  /** Files of both whose content differs, with the size of the larger one. */
  readonly changed: readonly ChangedFile[]
}

export interface ChangedFile {
  readonly path: string
  readonly sizeBytes: number
}

type Entries = ReadonlyMap<string, InventoryEntry>

const SHOWN = 40

export async function compareInventories(before: string, after: string): Promise<InventoryComparison> {
  const [left, right] = [await read(before), await read(after)]
  if (left === null || right === null) {
    return { lines: [`${left === null ? before : after} is no inventory of this version`], changed: [] }
  }
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort()
  const lines = paths.flatMap((path) => describe(path, left.get(path), right.get(path)))
  const more = lines.length > SHOWN ? [`… ${lines.length - SHOWN} paths more`] : []
  return { lines: [...lines.slice(0, SHOWN), ...more], changed: findChanged(left, right) }
}

/** Null: it is none, since somebody changed it or another version wrote it. */
async function read(file: string): Promise<Entries | null> {
  let document: unknown
  try {
    document = JSON.parse(await readFile(file, "utf8"))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null
    throw thrown
  }
  const parsed = inventory.safeParse(document)
  return parsed.success ? new Map(parsed.data.entries.map((entry) => [entry.path, entry])) : null
}

function describe(
  path: string,
  left: InventoryEntry | undefined,
  right: InventoryEntry | undefined,
): string[] {
  if (left === undefined || right === undefined) {
    return [`${path}: only in the ${left === undefined ? "rebuilt image" : "image as it was"}`]
  }
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  const values = keys.map((key) => [key, Reflect.get(left, key), Reflect.get(right, key)] as const)
  const differing = values.filter(([, one, other]) => one !== other)
  if (differing.length === 0) return []
  return [`${path}: ${differing.map(([key, one, other]) => `${key} ${one} → ${other}`).join(", ")}`]
}

function findChanged(left: Entries, right: Entries): ChangedFile[] {
  return [...left.values()].flatMap((one) => {
    const other = right.get(one.path)
    if (one.kind !== "file" || other?.kind !== "file" || one.sha256 === other.sha256) return []
    return [{ path: one.path, sizeBytes: Math.max(one.size_bytes, other.size_bytes) }]
  })
}
