/** Takes an image's kernel out of its compressed form, once: QEMU starts it by its PVH entry, a second sooner under TCG. */

import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { extractVmlinux } from "../../contract/extract-vmlinux.ts"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import type { Manifest } from "../../contract/manifest.ts"
import type { Progress } from "../../contract/progress.ts"
import { shrinkElf } from "../../contract/shrink-elf.ts"
import { isAlive, readProcessRef } from "../process-ref.ts"

/** Images of one Debian release share theirs; each is 39 MB. */
const KEPT_KERNELS = 4
const UNFINISHED = /^\.unfinished-(\d+)-(\d+)$/

export interface KernelRequest {
  readonly home: Home
  readonly image: {
    readonly name: string
    readonly dir: string
    readonly manifest: {
      readonly files: Pick<Manifest["files"], "kernel">
      readonly kernel: Manifest["kernel"]
    }
  }
  readonly progress: Progress
  readonly now: () => number
}

/**
 * Gives the file of the uncompressed kernel, with the digest that the manifest promises.
 * Faults: `image/damaged`, and those of extractVmlinux.
 */
export async function unpackKernel(request: KernelRequest): Promise<string> {
  const { home, image, progress } = request
  const { files, kernel } = image.manifest
  const path = join(home.kernels, files.kernel.sha256)
  if ((await digestOf(path)) === kernel.vmlinux_sha256) {
    // its time says when it was last of use
    await utimes(path, request.now() / 1000, request.now() / 1000)
    return path
  }
  return progress.step(`Unpack the kernel ${kernel.version}`, async () => {
    const elf = shrinkElf(extractVmlinux(await readFile(join(image.dir, files.kernel.name))))
    const found = createHash("sha256").update(elf).digest("hex")
    if (found !== kernel.vmlinux_sha256) throw damaged(image, found)
    await mkdir(home.kernels, { recursive: true })
    await removeLeftovers(home.kernels)
    const unfinished = join(home.kernels, unfinishedName())
    try {
      await writeFile(unfinished, elf)
      await rename(unfinished, path)
    } finally {
      await rm(unfinished, { force: true })
    }
    await removeOldest(home.kernels)
    return path
  })
}

function damaged({ name, dir, manifest }: KernelRequest["image"], found: string): Fault {
  const { files, kernel } = manifest
  return new Fault(
    "image/damaged",
    `${join(dir, files.kernel.name)} unpacks to a kernel with sha256 ${found}, and the manifest says ${kernel.vmlinux_sha256}`,
    { hint: `build it again with \`stereo build ${name}\`` },
  )
}

/** Null if it is not there. */
async function digestOf(path: string): Promise<string | null> {
  const bytes = await readFile(path).catch(nullIfMissing)
  return bytes && createHash("sha256").update(bytes).digest("hex")
}

/** A start that was killed could not remove what it had written. */
async function removeLeftovers(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const [, pid, startTicks] = UNFINISHED.exec(name) ?? []
    if (pid === undefined || startTicks === undefined) continue
    if (!isAlive({ pid: Number(pid), startTicks })) await rm(join(dir, name), { force: true })
  }
}

function unfinishedName(): string {
  const ref = readProcessRef(process.pid)
  return `.unfinished-${process.pid}-${ref?.startTicks ?? "0"}`
}

async function removeOldest(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => /^[0-9a-f]{64}$/.test(name))
  const dated = await Promise.all(names.map(async (name) => ({ name, usedMs: await lastUseMs(dir, name) })))
  dated.sort((left, right) => right.usedMs - left.usedMs)
  for (const { name } of dated.slice(KEPT_KERNELS)) await rm(join(dir, name), { force: true })
}

async function lastUseMs(dir: string, name: string): Promise<number> {
  return (await stat(join(dir, name)).catch(nullIfMissing))?.mtimeMs ?? 0
}

function nullIfMissing(thrown: unknown): null {
  if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
  throw thrown
}
