/**
 * Compiles a tree's Python modules, which Debian leaves to a script that does not run here. The root is read-only: without
 * this, each start of Python would compile all that it imports.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { readContent, type Tree, type TreeEntry } from "../tree.ts"
import type { Origins } from "./inventory.ts"

export interface PythonCompiler {
  /** A folder for its files, which is made and removed. */
  readonly dir: string
  /** Runs a program of the tools tree in that folder. */
  readonly run: (command: readonly [string, ...string[]]) => Promise<unknown>
}

type FileEntry = Extract<TreeEntry, { kind: "file" }>

const STANDARD_LIBRARY = /^\/usr\/lib\/python(3\.\d+)\/os\.py$/
const MODULE = /^\/usr\/lib\/python3(?:\.\d+)?\/.+\.py$/

/** Gives the number of modules; each one's byte code is owned by whoever owns the module. */
export async function addByteCode(tree: Tree, origins: Origins, compiler: PythonCompiler): Promise<number> {
  const version = [...tree.keys()].map((path) => STANDARD_LIBRARY.exec(path)?.[1]).find(Boolean)
  if (version === undefined) return 0
  const modules = [...tree].filter((pair): pair is [string, FileEntry] => {
    return pair[1].kind === "file" && MODULE.test(pair[0])
  })
  await mkdir(compiler.dir, { recursive: true })
  for (const [path, { content }] of modules) {
    await mkdir(join(compiler.dir, dirname(path)), { recursive: true })
    await writeFile(join(compiler.dir, path), readContent(content))
  }
  await compiler.run(compileCommand(version))
  for (const [path, { content: _content, ...rights }] of modules) {
    const folder = `${dirname(path)}/__pycache__`
    const compiled = `${folder}/${basename(path, ".py")}.cpython-${version.replace(".", "")}.pyc`
    const bytes = await readFile(join(compiler.dir, compiled))
    const origin = origins.get(path) ?? ""
    tree.set(folder, { kind: "directory", mode: 0o755, uid: 0, gid: 0 })
    tree.set(compiled, { ...rights, mode: 0o644, content: { bytes, sizeBytes: bytes.length } })
    for (const made of [folder, compiled]) if (!origins.has(made)) origins.set(made, origin)
  }
  await rm(compiler.dir, { recursive: true })
  return modules.length
}

/**
 * By one process in the order of the names and with a fixed seed, so that the same modules give the same bytes. Python does
 * not look whether a module has changed since (`unchecked-hash`, PEP 552): dm-verity does.
 */
function compileCommand(version: string): readonly [string, ...string[]] {
  return [
    ...(["env", "PYTHONHASHSEED=0", `python${version}`, "-m", "compileall"] as const),
    ...["-q", "--invalidation-mode", "unchecked-hash", "-p", "/", "usr/lib"],
  ]
}
