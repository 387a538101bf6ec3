/** Runs the real program as scripts do: with pipes, in a home of the test's own. */

import { type ExecFileException, execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { projectDir } from "../rules/sources.ts"

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliHome extends Disposable {
  readonly root: string
  stereo(...args: string[]): Promise<Ran>
}

export function openCliHome(): CliHome {
  const root = mkdtempSync(join(tmpdir(), "stereo-cli-"))
  return {
    root,
    stereo: (...args) => stereoIn(root, args),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

export function stereoIn(root: string, args: readonly string[]): Promise<Ran> {
  const env = { ...process.env, STEREO_HOME: root }
  return new Promise((resolve) => {
    execFile(
      join(projectDir, "stereo"),
      args,
      { env },
      (failure: ExecFileException | null, stdout, stderr) => {
        const code = typeof failure?.code === "number" ? failure.code : failure ? -1 : 0
        resolve({ code, stdout, stderr })
      },
    )
  })
}
