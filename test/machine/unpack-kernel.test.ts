import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { zstdCompressSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { shrinkElf } from "../../contract/shrink-elf.ts"
import { unpackKernel } from "../../machine/image/unpack-kernel.ts"
import { readProcessRef } from "../../machine/process-ref.ts"
import { openFolder, type TestFolder } from "../builder/project-folder.ts"
import { renderBzImage, renderElf } from "../fakes/kernel-file.ts"

describe("unpackKernel", () => {
  it("gives the kernel inside, and the same file again without making it anew", async () => {
    using folder = openFolder()
    const { request, elf } = plantImage(folder, "one")
    const path = await unpackKernel(request)
    expect(readFileSync(path).equals(elf)).toBe(true)
    const { ino } = statSync(path)
    expect(await unpackKernel(request)).toBe(path)
    expect(statSync(path).ino).toBe(ino)
  })

  it("makes it anew when what lies there is something else", async () => {
    using folder = openFolder()
    const { request, elf } = plantImage(folder, "one")
    const path = await unpackKernel(request)
    writeFileSync(path, "half")
    expect(readFileSync(await unpackKernel(request)).equals(elf)).toBe(true)
  })

  it("refuses a kernel that is not the manifest's, and leaves nothing", async () => {
    using folder = openFolder()
    const { request, kernelFile } = plantImage(folder, "one")
    writeFileSync(kernelFile, renderBzImage(zstdCompressSync(renderElf([part("two")]))))
    await expect(unpackKernel(request)).rejects.toMatchObject({ code: "image/damaged" })
    expect(existsSync(request.home.kernels)).toBe(false)
  })

  it("removes what a killed start left, not what a living one writes, and keeps the four used last", async () => {
    using folder = openFolder()
    const { kernels } = homeLayout(folder.dir)
    mkdirSync(kernels)
    const parent = readProcessRef(process.ppid)
    const living = `.unfinished-${process.ppid}-${parent?.startTicks}`
    const dead = `.unfinished-${process.ppid}-1`
    for (const name of [living, dead]) writeFileSync(join(kernels, name), "half")
    const paths: string[] = []
    for (const [index, text] of ["a", "b", "c", "d", "e"].entries()) {
      const { request } = plantImage(folder, text)
      paths.push(await unpackKernel({ ...request, now: () => 1_000_000 * (index + 1) }))
      await unpackKernel({ ...request, now: () => 1_000_000 * (index + 1) })
    }
    // the last was new, and so was its time, when the oldest went
    expect(paths.map((path) => existsSync(path))).toEqual([false, true, true, true, true])
    expect(readdirSync(kernels).filter((name) => name.startsWith("."))).toEqual([living])
  })
})

function part(text: string) {
  return { address: 0x1000n, bytes: Buffer.from(text) }
}

/** An image's folder with a kernel in it, as far as unpackKernel looks. */
function plantImage(folder: TestFolder, text: string) {
  const elf = shrinkElf(renderElf([part(text)]))
  const kernel = renderBzImage(zstdCompressSync(renderElf([part(text)])))
  const kernelFile = folder.write(`image-${text}/vmlinuz`, kernel)
  const manifest = {
    files: { kernel: { name: "vmlinuz", sha256: sha256(kernel), size_bytes: kernel.length } },
    kernel: { version: "6.12", command_line: "", vmlinux_sha256: sha256(elf) },
  }
  const image = { name: text, dir: join(folder.dir, `image-${text}`), manifest }
  const home = homeLayout(folder.dir)
  return { elf, kernelFile, request: { home, image, progress: silentProgress, now: () => 1_000_000 } }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
