import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openScratchProject, type ScratchProject } from "./scratch-project.ts"
import { openTestHome, projectDir, type TestHome } from "./test-home.ts"

interface Typed {
  readonly command: string
  /** The lines that the page shows after it; `…` stands for any. */
  readonly shown: readonly string[]
}

const page = readFileSync(join(projectDir, "docs/tutorial-image.md"), "utf8")
const definition = /```toml\n# (images\/mine\/image\.toml)\n([\s\S]*?)```/.exec(page)
let home: TestHome
let project: ScratchProject

beforeAll(() => {
  home = openTestHome("", undefined, ["tools", "cache"])
  project = openScratchProject()
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  project?.[Symbol.dispose]()
})

it("docs/tutorial-image.md: each command, typed in its order, prints what the page shows", async () => {
  const typed = readCommands()
  expect(typed.length).toBeGreaterThan(12)
  for (const [index, { command, shown }] of typed.entries()) {
    // the page's one file is written after the first command, which makes its folder
    if (index === 1) writeFileSync(join(project.dir, definition?.[1] ?? ""), definition?.[2] ?? "")
    const printed = await type(command)
    const lines = printed.split("\n").map(plain)
    const missing = shown.filter((line) => line !== "…" && !lines.includes(plain(line)))
    expect(missing, `$ ${command}\n${printed}`).toEqual([])
  }
}, 900_000)

function readCommands(): Typed[] {
  const blocks = [...page.matchAll(/```console\n([\s\S]*?)```/g)].map((block) => block[1] ?? "")
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = "", ...shown] = part.trimEnd().split("\n")
        return { command, shown: shown.filter((line) => line.trim() !== "") }
      }),
  )
}

/** As at a terminal, in the copy's folder: what comes on both streams; the command must end with 0. */
async function type(command: string): Promise<string> {
  const child = spawn("bash", ["-c", `{ ${command}\n} 2>&1`], {
    cwd: project.dir,
    env: { ...process.env, STEREO_HOME: home.root },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "close")])
  expect(code, `$ ${command}\n${printed}`).toBe(0)
  return printed
}

/** Digests and numbers are another machine's; columns are as wide as their cells. */
function plain(line: string): string {
  return line
    .replace(/\b(?=[a-f\d]*\d)[a-f\d]{12,64}\b/g, "HASH")
    .replace(/\d+(?:\.\d+)?(?= (?:s\b|MiB|%))/g, "N")
    .replace(/\s+/g, " ")
    .trim()
}
