/** What the initramfs holds: busybox, dmsetup with its libraries, the modules, and init. */

import { dirname, resolve } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { neededLibraries } from "../elf.ts"
import type { Tree } from "../tree.ts"
import type { CpioEntry } from "./cpio.ts"
import { renderModulesDep } from "./module-dependencies.ts"

const LIBRARY_DIR = "/usr/lib/x86_64-linux-gnu"
const LOADER = "ld-linux-x86-64.so.2"
const FOLDERS = [
  "bin",
  "dev",
  "lib64",
  "lib",
  "lib/modules",
  "lib/x86_64-linux-gnu",
  "modules",
  "proc",
  "root",
  "sbin",
  "sys",
]

export interface InitramfsParts {
  readonly init: Buffer
  readonly kernelVersion: string
  /** Uncompressed and unstripped, with all that they need. */
  readonly modules: ReadonlyMap<string, Buffer>
  /** Loaded before the root disk opens. */
  readonly rootModules: readonly string[]
  /** Loaded meanwhile. */
  readonly restModules: readonly string[]
  /** The tree of the boot packages. */
  readonly tree: Tree
}

export function planInitramfs(parts: InitramfsParts): CpioEntry[] {
  const dmsetup = fileBytes(parts.tree, "/usr/sbin/dmsetup")
  const moduleDir = `lib/modules/${parts.kernelVersion}`
  return [
    ...[...FOLDERS, moduleDir].map((path) => ({ kind: "directory", path, mode: 0o755 }) as const),
    file("init", 0o755, parts.init),
    file("bin/busybox", 0o755, fileBytes(parts.tree, "/usr/bin/busybox")),
    file("sbin/dmsetup", 0o755, dmsetup),
    file(`lib64/${LOADER}`, 0o755, fileBytes(parts.tree, `${LIBRARY_DIR}/${LOADER}`)),
    ...librariesOf(parts.tree, dmsetup),
    ...[...parts.modules].map(([name, bytes]) => file(`${moduleDir}/${name}.ko`, 0o644, bytes)),
    file(`${moduleDir}/modules.dep`, 0o644, Buffer.from(renderModulesDep(parts.modules))),
    file(
      "modules/root",
      0o644,
      Buffer.from(`${parts.rootModules.join(" ")}
`),
    ),
    file(
      "modules/rest",
      0o644,
      Buffer.from(`${parts.restModules.join(" ")}
`),
    ),
  ]
}

function file(path: string, mode: number, bytes: Buffer): CpioEntry {
  return { kind: "file", path, mode, bytes }
}

function librariesOf(tree: Tree, program: Buffer): CpioEntry[] {
  const found = new Map<string, Buffer>()
  const visit = (path: string, bytes: Buffer): void => {
    for (const name of neededLibraries(path, (at, sizeBytes) => bytes.subarray(at, at + sizeBytes))) {
      if (name === LOADER || found.has(name)) continue
      const library = fileBytes(tree, `${LIBRARY_DIR}/${name}`)
      found.set(name, library)
      visit(name, library)
    }
  }
  visit("dmsetup", program)
  return [...found].map(([name, bytes]) => file(`lib/x86_64-linux-gnu/${name}`, 0o755, bytes))
}

/** The bytes of a file, through links beside it. */
function fileBytes(tree: Tree, path: string): Buffer {
  const entry = tree.get(path)
  if (entry?.kind === "link") return fileBytes(tree, resolve(dirname(path), entry.target))
  if (entry?.kind === "file" && "bytes" in entry.content) return entry.content.bytes
  throw new Fault("artifact/no-boot-file", `the boot packages have no ${path}`, {
    hint: "[boot] packages must bring busybox-static, dmsetup and a kernel",
  })
}
