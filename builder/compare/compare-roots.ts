/** Takes the files that differ out of two root disks and has them compared, a few of them. */

import { mkdir } from "node:fs/promises"
import { join, posix } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { readRootFiles } from "../read-root-files.ts"
import type { ChangedFile } from "./compare-inventories.ts"
import type { Diffoscope } from "./diffoscope.ts"

export interface RootsRequest {
  /** Folders of artifacts. */
  readonly before: string
  readonly after: string
  readonly manifest: Manifest
  readonly toolsDir: string
  /** Made for what is compared, and left. */
  readonly workDir: string
  readonly signal: AbortSignal
}

/** Each takes diffoscope about a second; more would hide the list of paths. */
const SHOWN_FILES = 6
/** A program of this size is read in some seconds. */
const LARGEST_BYTES = 16 * 1024 * 1024

export async function compareRoots(
  request: RootsRequest,
  diffoscope: Diffoscope,
  changed: readonly ChangedFile[],
): Promise<string[]> {
  const shown = changed.filter(({ sizeBytes }) => sizeBytes <= LARGEST_BYTES).slice(0, SHOWN_FILES)
  if (shown.length === 0 || !(await diffoscope.isHere())) return []
  const paths = shown.map(({ path }) => path)
  try {
    const before = await readRoot(request, "before", paths)
    const after = await readRoot(request, "after", paths)
    const lines: string[] = []
    for (const path of paths) {
      const contents = { before: before.get(path) ?? null, after: after.get(path) ?? null }
      lines.push(...(await comparePath(diffoscope, path, contents)))
    }
    const rest = changed.length - shown.length
    return rest === 0 ? lines : [...lines, `contents of ${rest} more files are not shown`]
  } catch (thrown) {
    // the image as it was may be damaged, which its digests have said by now
    if (thrown instanceof Fault) return [`contents cannot be shown: ${thrown.message.split("\n")[0]}`]
    throw thrown
  }
}

async function readRoot(
  { before, after, manifest, toolsDir, workDir, signal }: RootsRequest,
  side: "before" | "after",
  paths: readonly string[],
): Promise<ReadonlyMap<string, Buffer | null>> {
  const dir = join(workDir, `root-${side}`)
  await mkdir(dir, { recursive: true })
  const rootDisk = join(side === "before" ? before : after, manifest.files.root.name)
  return readRootFiles({ rootDisk, paths, toolsDir, dir, signal })
}

async function comparePath(
  diffoscope: Diffoscope,
  path: string,
  { before, after }: { readonly before: Buffer | null; readonly after: Buffer | null },
): Promise<string[]> {
  if (before === null || after === null) return [`${path}: the disk has no such file, against its inventory`]
  // the inventory of an image of somebody else's may hold any path
  const inside = posix.resolve("/", path).slice(1)
  return [`inside of ${path}:`, ...(await diffoscope.compare(join("root", inside), { before, after }))]
}
