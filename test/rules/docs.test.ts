import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectDir } from "./sources.ts"

const FOLDERS =
  "contract|cli|images|builder|machine|guest-agent|host-proxy|review|attack|publish|trust|policies|test|docs|bench"
const pages = [
  "README.md",
  "AGENTS.md",
  ...readdirSync(join(projectDir, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
]

describe("documentation", () => {
  it.each(pages)("%s names only files that are there", (page) => {
    const text = readFileSync(join(projectDir, page), "utf8")
    const named = [...text.matchAll(new RegExp(`\`((?:${FOLDERS})/[\\w./-]+)\``, "g"))].map(
      (one) => one[1] ?? "",
    )
    // NAME stands for a name of the reader's choice
    const fixed = named.filter((path) => !path.includes("NAME"))
    expect(fixed.filter((path) => !existsSync(join(projectDir, path)))).toEqual([])
  })

  it.each(pages)("%s links only to pages that are there", (page) => {
    const text = readFileSync(join(projectDir, page), "utf8")
    const linked = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map((one) => one[1] ?? "")
    expect(linked.filter((path) => !existsSync(join(projectDir, dirname(page), path)))).toEqual([])
  })

  it("each guarantee in docs/security.md names a file that enforces it and a test that holds it", () => {
    const text = readFileSync(join(projectDir, "docs/security.md"), "utf8")
    const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| guarantee"))
    expect(rows.length).toBeGreaterThan(20)
    const incomplete = rows.filter((row) => !/\|[^|]*`[^`]+`[^|]*\|[^|]*`test\/[^`]+`[^|]*\|$/.test(row))
    expect(incomplete).toEqual([])
  })
})
