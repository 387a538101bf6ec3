import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { matchesPath } from "../../../contract/path-pattern.ts"
import { dividePaths } from "../../../review/policy/divide-paths.ts"
import { readPatterns, signsOf } from "../../../review/policy/path-automaton.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "../../fuzz/run-property.ts"
import { arbitraryPath, arbitraryPattern } from "./arbitrary-policy.ts"

const patternLists = fc.uniqueArray(arbitraryPattern, { minLength: 1, maxLength: 4 })

function matching(patterns: readonly string[], path: string): number[] {
  return patterns.flatMap((pattern, index) => (matchesPath(pattern, path) ? [index] : []))
}

describe("path patterns as an automaton", () => {
  it(
    "match what the decision's patterns match",
    () =>
      runProperty(
        fc.property(patternLists, arbitraryPath, (patterns, path) => {
          const { start, step, matched } = readPatterns(patterns)
          expect(matched(signsOf(path).reduce(step, start))).toEqual(matching(patterns, path))
        }),
      ),
    FUZZ_TIMEOUT_MS,
  )
})

describe("paths divided by which patterns match them", () => {
  it(
    "have a part for each path, whose example the same patterns match, stretched or not",
    () =>
      runProperty(
        fc.property(patternLists, arbitraryPath, fc.nat(9), (patterns, path, count) => {
          const { parts, complete } = dividePaths(patterns)
          expect(complete).toBe(true)
          for (const part of parts) {
            for (const example of part.examples) expect(matching(patterns, example)).toEqual(part.patterns)
            if (!part.stretch) continue
            const { path: text, at, other } = part.stretch
            const longer = text.slice(0, at) + other.repeat(count) + text.slice(at)
            expect(matching(patterns, longer)).toEqual(part.patterns)
          }
          const wanted = matching(patterns, path)
          if (wanted.length > 0) expect(parts.map((part) => part.patterns)).toContainEqual(wanted)
        }),
      ),
    FUZZ_TIMEOUT_MS,
  )

  it("give an example that can be sent where there is one", () => {
    const { parts } = dividePaths(["/*/x", "/a/**"])
    expect(parts.map(({ patterns, examples }) => [patterns, examples[0]])).toEqual([
      // `//x` is shorter, and the gateway refuses it
      [[0], "/y/x"],
      [[1], "/a/"],
      [[0, 1], "/a/x"],
    ])
  })

  it("are divided by a word as well, in whatever case or escape it stands", () => {
    const { start, step, matched } = readPatterns(["/*"], ["receive-pack"])
    for (const path of [
      "/git-receive-pack",
      "/RECEIVE-Packs",
      "/%72eceive%2Dpac%4b",
      "/receive-receive-pack",
    ])
      expect(matched(signsOf(path).reduce(step, start))).toEqual([0, 1])
    expect(matched(signsOf("/a/receive-pack").reduce(step, start))).toEqual([1])
    const parts = dividePaths(["/*", "/**"], ["receive-pack"]).parts
    expect(parts.map(({ patterns }) => patterns.join()).sort()).toEqual(["0,1", "0,1,2", "1", "1,2", "2"])
  })

  it("say so when they are too many to tell", () => {
    const letters = [..."abcdefghijklmno"]
    expect(dividePaths(letters.map((letter) => `/*${letter}*`)).complete).toBe(false)
  })
})
