/** Reads files out of an image's sealed root disk; nothing is mounted. */

import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { runTool } from "./tools-tree.ts"

export interface RootFilesRequest {
  /** `root.verity` of an image: erofs, with its hash tree behind it. */
  readonly rootDisk: string
  /** Absolute paths of regular files. */
  readonly paths: readonly string[]
  readonly toolsDir: string
  /** An empty folder for what is written meanwhile. */
  readonly dir: string
  readonly signal: AbortSignal
}

/** A path that the root does not have is null. Faults: `build/command-failed` for what is no erofs disk. */
export async function readRootFiles(request: RootFilesRequest): Promise<Map<string, Buffer | null>> {
  const files = new Map<string, Buffer | null>()
  for (const path of request.paths) files.set(path, await readRootFile(request, path))
  return files
}

/** dump.erofs ends with 0 for a path that is not there, and prints nothing of it. */
const SCRIPT = `set -e
dump.erofs -s /in/root >superblock.txt
dump.erofs --path="$1" /in/root >found.txt 2>&1
grep -q "^Path " found.txt || exit 0
dump.erofs --cat --path="$1" /in/root >out.bin`

async function readRootFile(
  { rootDisk, toolsDir, dir, signal }: RootFilesRequest,
  path: string,
): Promise<Buffer | null> {
  const out = join(dir, "out.bin")
  await rm(out, { force: true })
  await runTool(toolsDir, {
    command: ["sh", "-c", SCRIPT, "sh", path],
    purpose: `${path} of the sealed root`,
    workDir: dir,
    inputs: { root: rootDisk },
    logFile: join(dir, "read.log"),
    signal,
  })
  return readFile(out).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw thrown
  })
}
