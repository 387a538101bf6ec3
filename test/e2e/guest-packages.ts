/** Puts npm packages of this checkout, with all they need, into an agent's home, unmodified. */

import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { projectDir, type TestHome } from "./test-home.ts"

const packageJson = z.object({ dependencies: z.record(z.string(), z.string()).default({}) })

/** What no program reads: types, source maps, sources. */
const LEFT_OUT = ["*.d.ts", "*.d.mts", "*.d.cts", "*.map", "src"]

/** Copies `node_modules/NAME` and its dependencies as a compressed tar stream over `exec`. */
export async function copyPackages(home: TestHome, machine: string, names: readonly string[]): Promise<void> {
  const wanted = [...withDependencies(names)].map((name) => `node_modules/${name}`)
  const packed = spawnSync("tar", ["-cz", ...LEFT_OUT.map((one) => `--exclude=${one}`), ...wanted], {
    cwd: projectDir,
    maxBuffer: 1 << 30,
  })
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr.toString()}`)
  await home.must(["exec", machine, "--", "tar", "-xz"], { input: packed.stdout })
}

function withDependencies(names: readonly string[], seen = new Set<string>()): Set<string> {
  for (const name of names) {
    const file = join(projectDir, "node_modules", name, "package.json")
    if (seen.has(name) || !existsSync(file)) continue
    seen.add(name)
    withDependencies(
      Object.keys(packageJson.parse(JSON.parse(readFileSync(file, "utf8"))).dependencies),
      seen,
    )
  }
  return seen
}
