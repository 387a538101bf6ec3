/** Reads files out of an image's sealed root disk; nothing is mounted. */

import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
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

/**
 * A path that the root does not have is null. Faults: `build/command-failed` for what is no erofs disk,
 * `image/unreadable-root` for an answer that is neither a file nor its absence.
 */
export async function readRootFiles(request: RootFilesRequest): Promise<Map<string, Buffer | null>> {
  await dump(request, ["-s"])
  const files = new Map<string, Buffer | null>()
  for (const path of request.paths) files.set(path, await readRootFile(request, path))
  return files
}

/** dump.erofs ends with 0 also for a path that is not there; only what it prints tells. */
async function readRootFile(request: RootFilesRequest, path: string): Promise<Buffer | null> {
  const found = await dump(request, [`--path=${path}`])
  if (found === "") return null
  if (!/^Path\s*: /m.test(found) || !/regular file/.test(found)) {
    throw new Fault("image/unreadable-root", `${path} of ${request.rootDisk} is no plain file: ${found}`, {
      hint: "look into the image with `stereo images verify`",
    })
  }
  const out = join(request.dir, "out.bin")
  await rm(out, { force: true })
  const script = 'dump.erofs --cat --path="$1" /in/root >out.bin'
  await runTool(request.toolsDir, toolRequest(request, ["sh", "-c", script, "sh", path]))
  return readFile(out)
}

async function dump(request: RootFilesRequest, options: readonly string[]): Promise<string> {
  const printed = await runTool(
    request.toolsDir,
    toolRequest(request, ["dump.erofs", ...options, "/in/root"]),
  )
  return printed.trim()
}

function toolRequest({ rootDisk, dir, signal }: RootFilesRequest, command: [string, ...string[]]) {
  const logFile = join(dir, "read.log")
  return { command, purpose: "the sealed root", workDir: dir, inputs: { root: rootDisk }, logFile, signal }
}
