/** Two projects: `unit` runs side by side, `e2e` boots real VMs, two files at a time. */

import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/longest-first.ts"

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./test/summary-reporter.ts"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**"],
          maxWorkers: "100%",
          // not 0: vitest puts off to the end what has the order 0 and one worker, as on a machine of two cores
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.e2e.test.ts"],
          globalSetup: ["test/e2e/build-images.ts"],
          // a machine under TCG keeps little more than one core busy
          maxWorkers: 2,
          // after the unit tests: a machine that boots beside them on two cores would be slow for no fault of its own
          sequence: { groupOrder: 2 },
          // a limit for what hangs, not for what is slow
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
})
