/** Writes the image `base` in each form that it can be exported to: how long that takes, and how large it is. */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { z } from "zod"
import { EXPORT_FORMATS } from "../contract/export-format.ts"
import type { TestHome } from "../test/e2e/test-home.ts"
import { type Figure, summarise } from "./report.ts"

const RUNS = 3
const report = z.looseObject({ sizeBytes: z.int() })

/** Verifying the image and the program's start are part of each export. */
export async function benchFormats(home: TestHome, note: (text: string) => void): Promise<readonly Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), "stereo-bench-formats-"))
  try {
    const figures: Figure[] = []
    for (const format of EXPORT_FORMATS) {
      note(format)
      const seconds: number[] = []
      let sizeBytes = 0
      for (let run = 0; run < RUNS; run += 1) {
        const output = join(dir, `${run}.${format}`)
        const startedAt = performance.now()
        const args = ["images", "export", "base", "--format", format, "-o", output]
        sizeBytes = report.parse(await home.json(args)).sizeBytes
        seconds.push((performance.now() - startedAt) / 1000)
        rmSync(output)
      }
      figures.push(summarise(`export base as ${format}`, "s", seconds))
      figures.push(summarise(`  ${format}`, "MB", [sizeBytes / 1e6]))
    }
    return figures
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
