/** Lists a sealed tree: each path, what it is, and what accounts for it. */

import { createHash } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { Fault } from "../../contract/fault.ts"
import { type InventoryEntry, inventory } from "../../contract/inventory.ts"
import { type Content, readContent, type Tree, type TreeEntry } from "../tree.ts"

/** Path to origin, as contract/inventory.ts has it. */
export type Origins = Map<string, string>

/** A line a path, so that two images can be compared with a text's tools. Fault: `seal/unexplained`. */
export async function writeInventory(tree: Tree, origins: Origins, file: string): Promise<void> {
  const entries: InventoryEntry[] = []
  for (const [path, entry] of [...tree].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const origin = origins.get(path)
    if (!origin) {
      throw new Fault(
        "seal/unexplained",
        `${path} is in the image, and neither a package nor the definition says why`,
      )
    }
    entries.push(await describe(path, entry, origin))
  }
  const document = inventory.parse({ schema: 1, entries })
  const lines = document.entries.map((entry) => JSON.stringify(entry))
  await writeFile(file, `{"schema":1,"entries":[\n${lines.join(",\n")}\n]}\n`)
}

async function describe(path: string, entry: TreeEntry, origin: string): Promise<InventoryEntry> {
  if (entry.kind === "link") return { kind: "link", path, origin, target: entry.target }
  const { mode, uid, gid } = entry
  if (entry.kind === "directory") return { kind: "directory", path, origin, mode, uid, gid }
  const { content } = entry
  const size_bytes = content.sizeBytes
  return { kind: "file", path, origin, mode, uid, gid, sha256: await hashContent(content), size_bytes }
}

async function hashContent(content: Content): Promise<string> {
  const hash = createHash("sha256")
  for await (const piece of readContent(content)) hash.update(piece)
  return hash.digest("hex")
}
