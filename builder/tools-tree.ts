/** The tools tree: programs of Debian trixie in a folder of their own, and running one of them confined. */

import { readlink, rename, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import type { Home } from "../contract/home.ts"
import { currentToolsTree, toolsSandboxArgs } from "../contract/tools-tree.ts"
import { type RunRequest, run } from "./run.ts"

export interface ToolsRequest extends Omit<RunRequest, "cwd" | "env" | "within"> {
  /** The one folder of the host that the program sees and may write, as /work. */
  readonly workDir: string
  /** Host files that it may read, each as /in/NAME. */
  readonly inputs?: Readonly<Record<string, string>>
  /** It may arrange the sandbox's network, which is empty and goes with it. */
  readonly ownNetwork?: boolean
}

const NETWORK_ADMIN = ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "CAP_NET_ADMIN"]

/** Runs a program of the tools tree in bubblewrap: no network, and of the host only what is named. */
export function runTool(treeDir: string, request: ToolsRequest): Promise<string> {
  const { command, workDir, inputs, ownNetwork = false, ...rest } = request
  const binds = Object.entries(inputs ?? {}).flatMap(([name, path]) => ["--ro-bind", path, `/in/${name}`])
  return run({
    ...rest,
    command,
    within: [
      ...["bwrap", ...toolsSandboxArgs(treeDir), ...(ownNetwork ? NETWORK_ADMIN : [])],
      ...["--bind", workDir, "/work", "--chdir", "/work", ...binds, "--"],
    ],
  })
}

/** Unpacks a tar archive into the folder that is to be a tools tree; /dev is not needed there. */
export async function unpackToolsTree(
  tar: string,
  dir: string,
  runner: Pick<RunRequest, "logFile" | "signal">,
): Promise<void> {
  await run({
    ...runner,
    purpose: "the tools tree",
    command: ["tar", "-x", "-f", tar, "-C", dir, "--no-same-owner", "--exclude=./dev/*"],
  })
}

/** Makes `current` point at the tree of `key`, in one step for whoever reads it meanwhile. */
export async function selectToolsTree(home: Home, key: string): Promise<void> {
  const link = currentToolsTree(home)
  if ((await readLink(link)) === key) return
  const next = join(home.tools, ".current-next")
  await rm(next, { force: true })
  await symlink(key, next)
  await rename(next, link)
}

async function readLink(path: string): Promise<string | null> {
  try {
    return await readlink(path)
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}
