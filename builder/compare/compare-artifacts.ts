/** Compares two artifacts of one image, file by file; where one differs, says where, with diffoscope if it is here. */

import { open, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { exists } from "../exists.ts"
import { hashFile } from "../hash-file.ts"
import { compareInventories } from "./compare-inventories.ts"
import { compareRoots, type RootsRequest } from "./compare-roots.ts"
import { type Diffoscope, openDiffoscope } from "./diffoscope.ts"

export interface FileComparison {
  readonly name: string
  readonly same: boolean
  /** Of both; null: it is not there. */
  readonly sha256: { readonly before: string | null; readonly after: string | null }
  /** What differs, a line each; empty where nothing does. */
  readonly differences: readonly string[]
}

export interface Comparison {
  readonly files: readonly FileComparison[]
  /** Why contents are not shown, and what to do about it; null: they are, or nothing differs. */
  readonly lacking: string | null
}

export interface CompareRequest extends RootsRequest {
  readonly logFile: string
}

/** A kernel is smaller; what is larger would take long to read, and says little. */
const LARGEST_BYTES = 16 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

export async function compareArtifacts(request: CompareRequest): Promise<Comparison> {
  const { files: named } = request.manifest
  const names = ["manifest.toml", ...Object.values(named).map(({ name }) => name)]
  const diffoscope = openDiffoscope(request)
  const files: FileComparison[] = []
  for (const name of names) files.push(await compareFile(request, diffoscope, name))
  return { files, lacking: diffoscope.lacking() }
}

async function compareFile(
  request: CompareRequest,
  diffoscope: Diffoscope,
  name: string,
): Promise<FileComparison> {
  const [before, after] = [join(request.before, name), join(request.after, name)]
  const sha256 = { before: await hashOf(before), after: await hashOf(after) }
  if (sha256.before !== null && sha256.before === sha256.after)
    return { name, same: true, sha256, differences: [] }
  const there = sha256.before !== null && sha256.after !== null
  const differences = there
    ? [...noteChanged(request, name, sha256.before), ...(await findDifferences(request, diffoscope, name))]
    : [`${sha256.before === null ? before : after} is not there`]
  return { name, same: false, sha256, differences }
}

async function hashOf(path: string): Promise<string | null> {
  return (await exists(path)) ? hashFile(path) : null
}

/** Then it says nothing of the build. */
function noteChanged({ manifest }: CompareRequest, name: string, sha256: string | null): string[] {
  const built = Object.values(manifest.files).find((file) => file.name === name)?.sha256
  if (built === undefined || built === sha256) return []
  return [`changed since it was built: the image's manifest names sha256 ${built}`]
}

async function findDifferences(
  request: CompareRequest,
  diffoscope: Diffoscope,
  name: string,
): Promise<string[]> {
  const [before, after] = [join(request.before, name), join(request.after, name)]
  const place = await firstDifference(before, after)
  const { inventory, root } = request.manifest.files
  if (name === root.name) return [place, await explainRoot(request, inventory.name)]
  if (name === inventory.name) {
    const { lines, changed } = await compareInventories(before, after)
    return [place, ...lines, ...(await compareRoots(request, diffoscope, changed))]
  }
  if ((await stat(before)).size > LARGEST_BYTES || (await stat(after)).size > LARGEST_BYTES) return [place]
  const contents = { before: await readFile(before), after: await readFile(after) }
  return [place, ...(await diffoscope.compare(name, contents))]
}

async function explainRoot({ before, after }: CompareRequest, inventory: string): Promise<string> {
  const same = (await hashOf(join(before, inventory))) === (await hashOf(join(after, inventory)))
  return same
    ? `${inventory} is the same for both: the disk was written in another way, or changed later`
    : `the files in it that differ: below, at ${inventory}`
}

/** The first byte that differs, or where the shorter one ends. */
async function firstDifference(before: string, after: string): Promise<string> {
  await using left = await open(before)
  await using right = await open(after)
  const [one, other] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)]
  for (let offset = 0; ; offset += CHUNK_BYTES) {
    const read = [
      await left.read(one, 0, CHUNK_BYTES, offset),
      await right.read(other, 0, CHUNK_BYTES, offset),
    ]
    const shorter = Math.min(...read.map(({ bytesRead }) => bytesRead))
    const at = one.subarray(0, shorter).findIndex((byte, index) => byte !== other[index])
    if (at !== -1) return `first differing byte: ${offset + at}`
    if (shorter < CHUNK_BYTES) return `the same up to byte ${offset + shorter}, where the shorter one ends`
  }
}
