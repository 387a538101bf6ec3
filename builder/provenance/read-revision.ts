/** Which commit the project stands at, and whether its files are still that commit's. */

import { appendFile } from "node:fs/promises"
import { reasonOf } from "../../contract/fault.ts"
import { type RunRequest, run } from "../run.ts"

export interface Revision {
  /** The commit's hash. */
  readonly commit: string
  /** A file was changed since, or added. */
  readonly dirty: boolean
}

/** Null: the project is no git checkout of its own, or git is not here; the log says which. */
export async function readRevision(
  projectDir: string,
  runner: Pick<RunRequest, "logFile" | "signal">,
): Promise<Revision | null> {
  try {
    const git = (...args: string[]) =>
      run({
        ...runner,
        purpose: "the project's revision",
        command: ["git", "-C", projectDir, ...args],
        // no configuration of the user's may run a program or hide a file
        env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_OPTIONAL_LOCKS: "0", LC_ALL: "C" },
      })
    // a copy that lies in somebody else's repository is at no revision of ours
    const [prefix, commit] = (await git("rev-parse", "--show-prefix", "--verify", "HEAD")).split("\n")
    if (prefix !== "" || !/^[0-9a-f]{40,64}$/.test(commit ?? "")) return null
    const changes = await git(
      "-c",
      "core.fsmonitor=false",
      "status",
      "--porcelain",
      "--untracked-files=normal",
    )
    return { commit: commit ?? "", dirty: changes.trim() !== "" }
  } catch (thrown) {
    runner.signal.throwIfAborted()
    await appendFile(runner.logFile, `no revision: ${reasonOf(thrown)}\n`)
    return null
  }
}
