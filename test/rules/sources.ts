/** The project's own sources as the rules see them: every tracked or new TypeScript file with its imports. */

import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

export interface Source {
  /** Path from the project's root. */
  readonly path: string
  readonly text: string
  /** What it imports: paths from the root for our own files, names for packages. */
  readonly imports: readonly SourceImport[]
}

export interface SourceImport {
  readonly target: string
  readonly own: boolean
  readonly typeOnly: boolean
}

export const projectDir = resolve(import.meta.dirname, "../..")

/** Program sources: all TypeScript outside test/ and bench/. */
export function readSources(): readonly Source[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
    cwd: projectDir,
    encoding: "utf8",
  })
  const paths = listed
    .split("\n")
    .filter((path) => path !== "" && !/^(test|bench)\/|^vitest\.config\.ts$/.test(path))
  return paths.map(readSource)
}

function readSource(path: string): Source {
  const text = readFileSync(join(projectDir, path), "utf8")
  const imports = [
    ...text.matchAll(/^\s*(import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm),
  ]
  return { path, text, imports: imports.map((found) => describeImport(path, found)) }
}

function describeImport(path: string, found: RegExpExecArray | RegExpMatchArray): SourceImport {
  const specifier = found[3] ?? found[4] ?? ""
  const own = specifier.startsWith(".")
  return { target: own ? join(dirname(path), specifier) : specifier, own, typeOnly: found[2] !== undefined }
}
