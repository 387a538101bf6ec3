/** Which npm packages went into a bundle, by the files that esbuild read. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { Fault, reasonOf } from "../../contract/fault.ts"

export interface BundledPackage {
  readonly name: string
  readonly version: string
  /** As its package.json names them. */
  readonly licenses: readonly string[]
  readonly homepage: string | null
  /** sha512 of its archive, as package-lock.json has it. */
  readonly integrity: string | null
}

const packageJson = z.looseObject({
  name: z.string(),
  version: z.string(),
  license: z.string().optional(),
  homepage: z.string().optional(),
})
const packageLock = z.looseObject({
  packages: z.record(z.string(), z.looseObject({ integrity: z.string().optional() })),
})

/** Sorted by folder, each once. Fault: `image/odd-package`. */
export async function readBundledPackages(
  projectDir: string,
  inputs: readonly string[],
): Promise<BundledPackage[]> {
  const folders = [...new Set(inputs.map(packageFolder).filter((folder) => folder !== null))].sort()
  if (folders.length === 0) return []
  const lock = packageLock.parse(JSON.parse(await readFile(join(projectDir, "package-lock.json"), "utf8")))
  return Promise.all(
    folders.map(async (folder) => {
      const file = join(projectDir, folder, "package.json")
      try {
        const { name, version, license, homepage } = packageJson.parse(
          JSON.parse(await readFile(file, "utf8")),
        )
        const integrity = lock.packages[folder]?.integrity ?? null
        return { name, version, licenses: license ? [license] : [], homepage: homepage ?? null, integrity }
      } catch (cause) {
        throw new Fault("image/odd-package", `${file}: ${reasonOf(cause)}`, {
          hint: "a package inside of a bundled program must say its name and version: make modules",
          cause,
        })
      }
    }),
  )
}

/** `node_modules/a/node_modules/@b/c` of a file below it; null for the project's own. */
function packageFolder(input: string): string | null {
  const from = input.indexOf("node_modules/")
  if (from === -1) return null
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input.slice(from))?.[0] ?? null
}
