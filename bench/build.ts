/** Builds `base` with an empty cache and again with a full one, and weighs what came out. */

import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { z } from "zod"
import { openTestHome } from "../test/e2e/test-home.ts"
import { type Figure, summarise } from "./report.ts"

const report = z.looseObject({
  sizeBytes: z.int(),
  files: z.record(z.string(), z.looseObject({ name: z.string(), size_bytes: z.int() })),
})

export async function benchBuild(sharedHome: string): Promise<readonly Figure[]> {
  const root = mkdtempSync(join(tmpdir(), "stereo-bench-"))
  try {
    symlinkSync(join(sharedHome, "tools"), join(root, "tools"))
    await using home = openTestHome("", root, [])
    const timed = async () => {
      const startedAt = performance.now()
      const built = report.parse(await home.json(["build", "base", "--relock"], { timeoutMs: 900_000 }))
      return { seconds: (performance.now() - startedAt) / 1000, built }
    }
    const cold = await timed()
    const cached = [await timed(), await timed(), await timed()].map((run) => run.seconds)
    const megabytes = (bytes: number) => bytes / 1e6
    return [
      summarise("build base, empty cache, downloads included", "s", [cold.seconds]),
      summarise("build base, all cached", "s", cached),
      summarise("image base in all", "MB", [megabytes(cold.built.sizeBytes)]),
      ...Object.values(cold.built.files).map((file) =>
        summarise(`  ${file.name}`, "MB", [megabytes(file.size_bytes)]),
      ),
    ]
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
