/** Says which paths of two root file systems differ, and in what. */

import { readFile } from "node:fs/promises"
import { type InventoryEntry, inventory } from "../../contract/inventory.ts"

const SHOWN = 40

/** A line a path, the first ones. */
export async function compareInventories(before: string, after: string): Promise<string[]> {
  const [left, right] = [await read(before), await read(after)]
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort()
  const lines = paths.flatMap((path) => describe(path, left.get(path), right.get(path)))
  const more = lines.length > SHOWN ? [`… ${lines.length - SHOWN} paths more`] : []
  return [...lines.slice(0, SHOWN), ...more]
}

async function read(file: string): Promise<ReadonlyMap<string, InventoryEntry>> {
  const { entries } = inventory.parse(JSON.parse(await readFile(file, "utf8")))
  return new Map(entries.map((entry) => [entry.path, entry]))
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
