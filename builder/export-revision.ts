/** Takes the definitions of a git revision out into a folder, so that they are read as those of a project are. */

import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fault } from "../contract/fault.ts"
import { type RunRequest, run } from "./run.ts"
import { readTree } from "./tree.ts"

export interface ExportRequest {
  readonly projectDir: string
  /** Whatever git takes for a commit. */
  readonly revision: string
  /** A path in the project that is taken out besides, such as a card's; null: none. */
  readonly extraFile: string | null
  /** An empty folder. */
  readonly dir: string
  readonly signal: AbortSignal
}

/** What `show` and `diff` read: definitions, templates, egress sets, and the names that templates use. */
const KEPT =
  /^\/(?:images\/[^/]+\/image\.toml|images\/templates\/[^/]+|policies\/egress\/[^/]+\.toml|contract\/wire\.ts)$/

/** The commit's hash. Only plain files are taken out, never links. Fault: `review/bad-revision`. */
export async function exportRevision(request: ExportRequest): Promise<string> {
  const { revision, extraFile, dir } = request
  const commit = await findCommit(request)
  const tar = join(dir, ".revision.tar")
  // beside the folders; what a revision does not have is left out, which `git archive` would refuse
  const wanted = ["images", "policies", "contract/wire.ts", ...(extraFile === null ? [] : [extraFile])]
  const listing = await git(request, ["ls-tree", "--name-only", commit, "--", ...wanted])
  const found = listing.split("\n").filter((line) => line !== "")
  if (found.length === 0) throw badRevision(revision, "it has neither images/ nor policies/")
  await git(request, ["archive", "--format=tar", `--output=${tar}`, commit, "--", ...found])
  const kept = (path: string) => KEPT.test(path) || path === `/${extraFile}`
  const tree = await readTree(tar, (path) => !kept(path))
  for (const [path, entry] of tree) {
    // the archive's paths have been checked, and these match the list above
    if (entry.kind !== "file" || !("bytes" in entry.content)) continue
    const file = join(dir, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, entry.content.bytes)
  }
  return commit
}

async function findCommit(request: ExportRequest): Promise<string> {
  const { revision } = request
  try {
    return await git(request, [
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${revision}^{commit}`,
    ])
  } catch (thrown) {
    request.signal.throwIfAborted()
    throw badRevision(revision, "git knows no such commit here", thrown)
  }
}

function git({ projectDir, dir, signal, revision }: ExportRequest, args: readonly string[]): Promise<string> {
  const command: RunRequest["command"] = ["git", "-C", projectDir, ...args]
  // no configuration of the user's may colour or rewrite what is read
  const env = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_OPTIONAL_LOCKS: "0", LC_ALL: "C" }
  return run({ command, purpose: `git revision ${revision}`, env, logFile: join(dir, ".git.log"), signal })
}

function badRevision(revision: string, reason: string, cause?: unknown): Fault {
  return new Fault(
    "review/bad-revision",
    `the revision ${JSON.stringify(revision)} cannot be read: ${reason}`,
    {
      hint: "name a branch, a tag or a commit, as in main:coder or HEAD~3:coder; in CI, fetch it first (fetch-depth: 0)",
      cause,
    },
  )
}
