import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectDir } from "./sources.ts"

/** The functions of the project that give a promise, by name. */
const PROMISING =
  /(?:async function\*? (\w+)|function (\w+)\b[^{]*\): Promise<|^ +(?:async )?(\w+)\([^{]*\): Promise<|^ +async (\w+)\()/gm
/** Gives the innermost function's body around a line, by indentation: `=> {`, `): Type {`, `function …(… {`. */
const OPENS_FUNCTION = /(?:=>|\)(?:: [^=]+)?) \{$/
const OPENS_BLOCK = /^\s*(?:\} )?(?:if|for|while|switch|else|try|catch|finally)\b/

describe("what is `using` something", () => {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
    cwd: projectDir,
    encoding: "utf8",
  })
  const sources = listed
    .split("\n")
    .filter(Boolean)
    .map((path) => ({ path, text: readFileSync(join(projectDir, path), "utf8") }))
  const promising = new Set(
    sources.flatMap(({ text }) => [...text.matchAll(PROMISING)].map((found) => found.slice(1).find(Boolean))),
  )

  it("waits for the promise that it gives back: what it uses would be let go of before", () => {
    const found = sources.flatMap(({ path, text }) =>
      findHasty(text, promising).map((line) => `${path}:${line}`),
    )
    expect(found).toEqual([])
  })

  it.each([
    ["a return without await", 'async function f() {\n  using a = b()\n  return g("x")\n}', [3]],
    [
      "one in a branch",
      "async function f() {\n  await using a = b()\n  if (a) return this.g({\n  })\n}",
      [3],
    ],
    ["one that waits", "async function f() {\n  using a = b()\n  return await g()\n}", []],
    [
      "one of another function",
      "async function f() {\n  using a = b()\n  const c = () => {\n    return g()\n  }\n}",
      [],
    ],
    ["one before it", "async function f() {\n  if (x) return g()\n  using a = b()\n}", []],
    [
      "one of a block that has ended",
      "async function f() {\n  if (x) {\n    using a = b()\n  }\n  return g()\n}",
      [],
    ],
    ["what gives no promise", "function f() {\n  using a = b()\n  return h()\n}", []],
  ])("finds it: %s", (_case, text, lines) => {
    expect(findHasty(text, new Set(["f", "g"]))).toEqual(lines)
  })
})

/** Numbers of lines that return a call's promise from within a scope that disposes something first. */
function findHasty(text: string, promising: ReadonlySet<string | undefined>): number[] {
  const lines = text.split("\n")
  return lines.flatMap((line, index) => {
    // names are told apart by no types: these two give none, whatever else is called so
    if (/return (?:JSON\.parse|context\.print)\(/.test(line)) return []
    const called = /^\s*(?:if \(.*\) |else )?return (?:[\w.]+\.)?(\w+)\(/.exec(line)?.[1]
    return promising.has(called) && isUsing(lines, index) ? [index + 1] : []
  })
}

function isUsing(lines: readonly string[], from: number): boolean {
  let indent = indentOf(lines[from] ?? "")
  for (let index = from - 1; index >= 0; index -= 1) {
    const line = lines[index] ?? ""
    if (line.trim() === "" || indentOf(line) > indent) continue
    if (/^\s*(?:await )?using /.test(line)) return true
    if (indentOf(line) === indent) continue
    indent = indentOf(line)
    if (OPENS_FUNCTION.test(line) && !OPENS_BLOCK.test(line)) return false
  }
  return false
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}
