/** Ends a run with one plain line, `N passed, N failed, N skipped`, and names each skip with its reason. */

import type { Reporter, TestCase, TestModule } from "vitest/node"

export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const cases = modules.flatMap((module) => [...module.children.allTests()])
    const broken = modules.filter(
      (module) => module.state() === "failed" && ![...module.children.allTests()].length,
    )
    const count = (state: string) => cases.filter((test) => test.result().state === state).length
    for (const test of cases.filter((one) => one.result().state === "skipped")) {
      process.stdout.write(`skipped: ${test.fullName}: ${skipReason(test)}\n`)
    }
    const failed = count("failed") + broken.length + unhandledErrors.length
    process.stdout.write(`\n${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped\n`)
  }
}

function skipReason(test: TestCase): string {
  const result = test.result()
  return (
    (result.state === "skipped" ? result.note : undefined) ??
    "its reason was printed when its file was loaded"
  )
}

// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by its default export
export default SummaryReporter
