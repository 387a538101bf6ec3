import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectDir } from "../e2e/test-home.ts"

/** Prints the npm packages that were loaded, at the end, to standard error. */
const LISTENER = `
import { registerHooks } from "node:module"
const packages = new Set()
registerHooks({ load(url, context, next) {
  const name = /\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url)?.[1]
  if (name) packages.add(name)
  return next(url, context)
} })
process.on("exit", () => console.log(JSON.stringify([...packages].sort())))`

describe("the program's start", () => {
  it.each([
    { words: ["--version"], packages: ["commander", "zod"] },
    { words: ["logs", "--help"], packages: ["commander"] },
    { words: ["build", "--help"], packages: ["commander"] },
  ])("of $words loads $packages; ssh, AWS and the rest wait for who needs them", ({ words, packages }) => {
    const listener = `data:text/javascript,${encodeURIComponent(LISTENER)}`
    const program = join(projectDir, "cli/main.ts")
    const args = ["--disable-warning=ExperimentalWarning", "--import", listener, program, ...words]
    const lines = execFileSync(process.execPath, args, { encoding: "utf8" }).trim().split("\n")
    expect(JSON.parse(lines.at(-1) ?? "")).toEqual(packages)
  })
})
