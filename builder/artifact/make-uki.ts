/** Makes a unified kernel image: kernel, initramfs and command line in one program that UEFI firmware starts. */

import { createHash } from "node:crypto"
import { copyFile, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Manifest } from "../../contract/manifest.ts"
import type { Plan } from "../plan.ts"
import { runTool } from "../tools-tree.ts"
import { renderCommandLine } from "./command-line.ts"
import type { BootRecord } from "./make-boot.ts"
import type { RootRecord } from "./make-root.ts"
import { authenticodeSha256 } from "./pe-file.ts"
import { predictPcrs, predictPcrsWithoutSecureBoot } from "./predict-pcrs.ts"

interface Runner {
  readonly toolsDir: string
  /** An empty folder, for what is made. */
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

export interface UkiParts {
  readonly kernel: string
  readonly initramfs: string
  readonly stub: string
  readonly osRelease: string
  readonly commandLine: string
  readonly kernelVersion: string
}

export interface UkiRecordRequest extends Runner {
  readonly plan: Pick<Plan, "kernel">
  readonly bootDir: string
  readonly rootDir: string
  /** The sealed tree, whose os-release the image shows to firmware and boot loaders. */
  readonly tar: string
}

const STUB = "usr/lib/systemd/boot/efi/linuxx64.efi.stub"

/** Gives the bytes of the unsigned image, and leaves them in the folder as `uki.efi`; the same parts, the same bytes. */
export async function makeUki(parts: UkiParts, runner: Runner): Promise<Buffer> {
  const { kernel, initramfs, stub, osRelease } = parts
  await writeFile(join(runner.dir, "cmdline"), parts.commandLine)
  await runTool(runner.toolsDir, {
    ...runner,
    purpose: "the unified kernel image",
    workDir: runner.dir,
    inputs: { kernel, initramfs, stub, "os-release": osRelease },
    command: [
      ...(["ukify", "build", "--linux=/in/kernel", "--initrd=/in/initramfs", "--stub=/in/stub"] as const),
      ...["--os-release=@/in/os-release", "--cmdline=@/work/cmdline", `--uname=${parts.kernelVersion}`],
      "--output=/work/uki.efi",
    ],
  })
  await rm(join(runner.dir, "cmdline"))
  return readFile(join(runner.dir, "uki.efi"))
}

/** Leaves what the image is made of again later, `linuxx64.efi.stub` and `os-release`, and `uefi.json`, which says what it will be. */
export async function recordUki(request: UkiRecordRequest): Promise<void> {
  const { dir, bootDir, rootDir, toolsDir } = request
  const boot: BootRecord = JSON.parse(await readFile(join(bootDir, "boot.json"), "utf8"))
  const root: RootRecord = JSON.parse(await readFile(join(rootDir, "root.json"), "utf8"))
  const stub = join(dir, "linuxx64.efi.stub")
  const osRelease = join(dir, "os-release")
  await copyFile(join(toolsDir, STUB), stub)
  await writeFile(osRelease, await readOsRelease(request))
  const uki = await makeUki(
    {
      ...{
        stub,
        osRelease,
        kernel: join(bootDir, "vmlinuz"),
        initramfs: join(bootDir, "initramfs.cpio.zst"),
      },
      ...{ commandLine: renderCommandLine(request.plan, root), kernelVersion: boot.kernelVersion },
    },
    request,
  )
  await rm(join(dir, "uki.efi"))
  const record: Manifest["uefi"] = {
    uki_sha256: createHash("sha256").update(uki).digest("hex"),
    authenticode_sha256: authenticodeSha256(uki),
    pcrs: { sha256: predictPcrs(uki) },
    pcrs_secure_boot_off: { sha256: predictPcrsWithoutSecureBoot(uki) },
  }
  await writeFile(join(dir, "uefi.json"), `${JSON.stringify(record, null, 1)}\n`)
}

async function readOsRelease(request: UkiRecordRequest): Promise<string> {
  const text = await runTool(request.toolsDir, {
    ...request,
    purpose: "the image's os-release",
    workDir: request.dir,
    inputs: { tree: dirname(request.tar) },
    command: [
      "tar",
      "-xOf",
      `/in/tree/${request.tar.slice(dirname(request.tar).length + 1)}`,
      "./usr/lib/os-release",
    ],
  })
  return `${text}\n`
}
