/** Where kernel-hardening-checker lies, which neither Debian nor npm has: in a folder that the caller names. */

import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { Fault } from "../../contract/fault.ts"

/** Gives its program. Faults: `khc/no-folder`, `khc/not-the-checker`. */
export function findChecker(folder: string | undefined): string {
  const hint =
    "clone https://github.com/a13xp0p0v/kernel-hardening-checker and name the clone: make khc KHC=FOLDER"
  if (folder === undefined || folder === "") {
    throw new Fault("khc/no-folder", "make khc needs the folder of kernel-hardening-checker", { hint })
  }
  const dir = resolve(folder)
  if (!existsSync(dir)) throw new Fault("khc/no-folder", `${dir} is not there`, { hint })
  const program = join(dir, "bin/kernel-hardening-checker")
  if (existsSync(program) && existsSync(join(dir, "kernel_hardening_checker"))) return program
  throw new Fault("khc/not-the-checker", `${dir} has no bin/kernel-hardening-checker beside its package`, {
    hint,
  })
}
