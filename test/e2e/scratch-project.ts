/** A copy of the project's own files that a test may change, with the modules of the original. */

import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { projectDir } from "./test-home.ts"

export interface ScratchProject extends Disposable {
  readonly dir: string
}

export function openScratchProject(): ScratchProject {
  const dir = mkdtempSync(join(tmpdir(), "stereo-project-"))
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: projectDir,
    encoding: "utf8",
    maxBuffer: 1e8,
  })
  if (listed.status !== 0) throw new Error(`git ls-files ended with ${listed.status}: ${listed.stderr}`)
  for (const file of listed.stdout
    .split("\0")
    .filter((name) => name !== "" && !name.startsWith("node_modules"))) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    cpSync(join(projectDir, file), join(dir, file))
  }
  symlinkSync(join(projectDir, "node_modules"), join(dir, "node_modules"))
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) }
}
