/** Makes what a machine boots: the kernel and the initramfs. */

import { createHash } from "node:crypto"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { constants, zstdCompressSync } from "node:zlib"
import { extractVmlinux } from "../../contract/extract-vmlinux.ts"
import { Fault } from "../../contract/fault.ts"
import { shrinkElf } from "../../contract/shrink-elf.ts"
import type { Plan } from "../plan.ts"
import { runTool } from "../tools-tree.ts"
import { readTree, type Tree } from "../tree.ts"
import { renderCpio } from "./cpio.ts"
import { planInitramfs } from "./initramfs-entries.ts"
import { closeModules, moduleName } from "./module-dependencies.ts"

export interface BootRequest {
  readonly plan: Plan
  readonly bootTar: string
  readonly toolsDir: string
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

export interface BootRecord {
  readonly kernelVersion: string
  /** Of the uncompressed kernel, which whoever boots it directly takes out of `vmlinuz`. */
  readonly vmlinuxSha256: string
  readonly modules: readonly string[]
  /** Files of the boot packages that are in the kernel's file or the initramfs; modules, of the kernel's package, apart. */
  readonly sources: readonly string[]
}

const UNUSED = /^\/(?:usr\/share|etc|var|dev)(?:\/|$)/

/** Leaves `vmlinuz`, `initramfs.cpio.zst` and `boot.json` in the folder. */
export async function makeBoot(request: BootRequest): Promise<void> {
  const { dir, plan } = request
  const tree = await readTree(request.bootTar, (path) => UNUSED.test(path))
  const kernel = findKernel(tree)
  await writeFile(join(dir, "vmlinuz"), kernel.bytes)
  const wanted = plan.kernel.modules.flatMap(({ items }) => items)
  const modules = await closeModules(wanted, (names) => unpackModules(tree, names, request))
  const namesOf = (forRoot: boolean) =>
    plan.kernel.modules.flatMap((part) => (part.forRoot === forRoot ? part.items : []))
  const entries = planInitramfs({
    tree,
    modules,
    init: await readFile(join(import.meta.dirname, "init.sh")),
    kernelVersion: kernel.version,
    rootModules: namesOf(true),
    restModules: namesOf(false),
  })
  await writeFile(join(dir, "initramfs.cpio.zst"), compress(renderCpio(entries)))
  const vmlinux = shrinkElf(extractVmlinux(kernel.bytes))
  const record: BootRecord = {
    kernelVersion: kernel.version,
    vmlinuxSha256: createHash("sha256").update(vmlinux).digest("hex"),
    modules: [...modules.keys()],
    sources: findSources(tree, [
      kernel.bytes,
      ...entries.flatMap((one) => ("bytes" in one ? one.bytes : [])),
    ]),
  }
  await writeFile(join(dir, "boot.json"), `${JSON.stringify(record, null, 1)}\n`)
}

/** What was taken out of the tree is the very buffer that lies there. */
function findSources(tree: Tree, taken: readonly Buffer[]): string[] {
  const buffers = new Set(taken)
  return [...tree].flatMap(([path, entry]) => {
    return entry.kind === "file" && "bytes" in entry.content && buffers.has(entry.content.bytes) ? [path] : []
  })
}

/** The kernel unpacks it on another CPU while it starts; it is a third as large. */
function compress(archive: Buffer): Buffer {
  return zstdCompressSync(archive, {
    // with a sum at the end, so that the kernel can tell that a byte is another
    params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_checksumFlag]: 1 },
  })
}

function findKernel(tree: Tree): { version: string; bytes: Buffer } {
  const found = [...tree].filter(([path]) => path.startsWith("/boot/vmlinuz-"))
  const [path, entry] = found[0] ?? []
  if (found.length === 1 && path && entry?.kind === "file" && "bytes" in entry.content) {
    return { version: path.slice("/boot/vmlinuz-".length), bytes: entry.content.bytes }
  }
  throw new Fault("artifact/no-kernel", `the boot packages bring ${found.length} kernels, expected one`, {
    hint: "name linux-image-cloud-amd64 under [boot] packages",
  })
}

/** The initramfs needs modules uncompressed: the kernel then only checks and links them. */
async function unpackModules(
  tree: Tree,
  names: readonly string[],
  request: BootRequest,
): Promise<Map<string, Buffer>> {
  const workDir = join(request.dir, "modules")
  await mkdir(workDir)
  for (const name of names) await writeFile(join(workDir, `${name}.ko.xz`), findModule(tree, name))
  const files = names.map((name) => `${name}.ko.xz`)
  const tool = { ...request, purpose: "the kernel's modules", workDir }
  await runTool(request.toolsDir, { ...tool, command: ["xz", "-d", ...files] })
  const modules = new Map<string, Buffer>()
  for (const name of names) modules.set(name, await readFile(join(workDir, `${name}.ko`)))
  await rm(workDir, { recursive: true })
  return modules
}

function findModule(tree: Tree, name: string): Buffer {
  for (const [path, entry] of tree) {
    const found = /^(.+)\.ko\.xz$/.exec(basename(path))?.[1]
    if (found === undefined || moduleName(found) !== name) continue
    if (entry.kind === "file" && "bytes" in entry.content) return entry.content.bytes
  }
  throw new Fault("artifact/no-module", `the kernel package has no module ${name}`, {
    hint: "it may be built in (then take it out of [[kernel.modules]]) or have another name",
  })
}
