/** Debian's packer, in a tree of its own, with no word to its makers' servers. */

import { type ExecFileException, execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openTree } from "../../trees/open-tree.ts"

export interface Packer extends Disposable {
  /** Never rejects for an exit code. */
  run(
    dir: string,
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number; readonly output: string }>
}

/** 1.6.6, of bookworm: trixie has none. It is one Go program that needs no more than a C library. */
export async function openPacker(): Promise<Packer> {
  const program = join(await openTree("packer", ["base-files", "packer"], "bookworm"), "usr/bin/packer")
  const own = mkdtempSync(join(tmpdir(), "stereo-packer-"))
  const quiet = {
    CHECKPOINT_DISABLE: "1",
    PACKER_NO_COLOR: "1",
    PACKER_CONFIG_DIR: own,
    PACKER_CACHE_DIR: join(own, "cache"),
    HOME: own,
    TMPDIR: own,
  }
  return {
    run: (cwd, args, environment = {}) => {
      const env = { PATH: process.env["PATH"] ?? "", ...quiet, ...environment }
      return new Promise((resolve) => {
        execFile(program, args, { cwd, env }, (failure: ExecFileException | null, stdout, stderr) => {
          const code = typeof failure?.code === "number" ? failure.code : failure ? -1 : 0
          resolve({ code, output: `${stdout}${stderr}` })
        })
      })
    },
    [Symbol.dispose]: () => rmSync(own, { recursive: true, force: true }),
  }
}
