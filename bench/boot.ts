/** Cold boots: from `stereo up` to ready, our own work and the guest's boot apart. */

import { z } from "zod"
import type { TestHome } from "../test/e2e/test-home.ts"
import { type Figure, summarise } from "./report.ts"

const launched = z.looseObject({ prepareMs: z.number(), bootMs: z.number(), accelerator: z.string() })

export async function benchBoot(
  home: TestHome,
  times: number,
  note: (text: string) => void,
): Promise<readonly Figure[]> {
  await home.must(["up", "--name", "warmup"]) // starts the host service and probes the accelerator
  await home.must(["rm", "-f", "warmup"])
  const runs: { totalMs: number; prepareMs: number; bootMs: number; accelerator: string }[] = []
  for (let run = 1; run <= times; run += 1) {
    note(`${run} of ${times}`)
    const startedAt = performance.now()
    const report = launched.parse(await home.json(["up", "--name", "boot"]))
    runs.push({ ...report, totalMs: performance.now() - startedAt })
    await home.must(["rm", "-f", "boot"])
  }
  const accelerator = runs[0]?.accelerator ?? "unknown"
  return [
    summarise(
      `boot to ready, image base, ${accelerator}`,
      "s",
      runs.map((run) => run.bootMs / 1000),
    ),
    summarise(
      "stereo up: preparation before QEMU runs",
      "ms",
      runs.map((run) => run.prepareMs),
    ),
    summarise(
      "stereo up: everything outside the boot",
      "ms",
      runs.map((run) => run.totalMs - run.bootMs),
    ),
  ]
}
