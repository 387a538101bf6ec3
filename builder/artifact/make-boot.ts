/** Makes what QEMU loads: the uncompressed kernel and the initramfs. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Plan } from "../plan.ts"
import { runTool } from "../tools-tree.ts"
import { readTree, type Tree } from "../tree.ts"
import { renderCpio } from "./cpio.ts"
import { planInitramfs } from "./initramfs-entries.ts"
import { moduleName, orderModules } from "./module-order.ts"
import { shrinkElf } from "./shrink-elf.ts"
import { extractVmlinux } from "./vmlinux.ts"

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
  /** In the order of loading. */
  readonly modules: readonly string[]
}

const UNUSED = /^\/(?:usr\/share|etc|var|dev)(?:\/|$)/

/** Leaves `vmlinux`, `initramfs.cpio` and `boot.json` in the folder. */
export async function makeBoot(request: BootRequest): Promise<void> {
  const { dir } = request
  const tree = await readTree(request.bootTar, (path) => UNUSED.test(path))
  const kernel = findKernel(tree)
  await writeFile(join(dir, "vmlinux"), shrinkElf(extractVmlinux(kernel.bytes)))
  const modules = await unpackModules(tree, request)
  const order = orderModules(
    modules,
    request.plan.kernel.modules.flatMap(({ items }) => items),
  )
  const init = await readFile(join(import.meta.dirname, "init.sh"))
  const loaded = order.map((name) => ({ name, bytes: modules.get(name) ?? Buffer.alloc(0) }))
  await writeFile(join(dir, "initramfs.cpio"), renderCpio(planInitramfs({ init, modules: loaded, tree })))
  const record: BootRecord = { kernelVersion: kernel.version, modules: order }
  await writeFile(join(dir, "boot.json"), `${JSON.stringify(record, null, 1)}\n`)
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

/** All modules by name. The initramfs needs them uncompressed: the kernel then only checks and links them. */
async function unpackModules(tree: Tree, request: BootRequest): Promise<Map<string, Buffer>> {
  const wanted = new Map<string, Buffer>()
  for (const [path, entry] of tree) {
    const name = /^(.+)\.ko\.xz$/.exec(basename(path))?.[1]
    if (name && entry.kind === "file" && "bytes" in entry.content)
      wanted.set(moduleName(name), entry.content.bytes)
  }
  const workDir = join(request.dir, "modules")
  await mkdir(workDir)
  for (const [name, bytes] of wanted) await writeFile(join(workDir, `${name}.ko.xz`), bytes)
  await runTool(request.toolsDir, {
    ...request,
    purpose: "the kernel's modules",
    workDir,
    command: ["sh", "-c", "ls | xargs xz -d"],
  })
  const modules = new Map<string, Buffer>()
  for (const name of wanted.keys()) modules.set(name, await readFile(join(workDir, `${name}.ko`)))
  await rm(workDir, { recursive: true })
  return modules
}
