/**
 * Ends a run with one plain line, `N passed, N failed, N skipped`, and names each skip with its reason, each failure with
 * what it said, and each test that passed only when it was tried again: who keeps but the end of a log has all three.
 */

import { stripVTControlCharacters } from "node:util"
import type { Reporter, TestCase, TestModule } from "vitest/node"

export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const cases = modules.flatMap((module) => [...module.children.allTests()])
    // what goes wrong outside of a test: in loading a file, or before and after its tests
    const broken = modules.flatMap((module) => {
      const parts = [module, ...module.children.allSuites()]
      return parts
        .filter((part) => part.errors().length > 0)
        .map((part) => ({ module, errors: part.errors() }))
    })
    const count = (state: string) => cases.filter((test) => test.result().state === state).length
    for (const test of cases.filter((one) => one.result().state === "skipped")) {
      process.stdout.write(`skipped: ${test.fullName}: ${skipReason(test)}\n`)
    }
    for (const test of cases.filter((one) => one.diagnostic()?.flaky)) {
      process.stdout.write(`passed at the second try only: ${test.fullName}: ${failureOf(test)}\n`)
    }
    for (const test of cases.filter((one) => one.result().state === "failed")) {
      process.stdout.write(`failed: ${test.fullName}: ${failureOf(test)}\n`)
    }
    for (const { module, errors } of broken) {
      process.stdout.write(`failed: ${module.relativeModuleId}: ${textOf(errors)}\n`)
    }
    const failed = count("failed") + broken.length + unhandledErrors.length
    process.stdout.write(`\n${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped\n`)
  }
}

/** Of a message its beginning and its end. */
const FIRST_LINES = 3
const LAST_LINES = 25

function failureOf(test: TestCase): string {
  return textOf(test.result().errors ?? [])
}

function textOf(errors: readonly { readonly message: string }[]): string {
  const messages = errors.map(({ message }) => stripVTControlCharacters(message))
  return messages.map((message) => shorten(message.split("\n")).join("\n  ")).join("\n  ")
}

function shorten(lines: readonly string[]): readonly string[] {
  if (lines.length <= FIRST_LINES + LAST_LINES) return lines
  return [...lines.slice(0, FIRST_LINES), "…", ...lines.slice(-LAST_LINES)]
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
