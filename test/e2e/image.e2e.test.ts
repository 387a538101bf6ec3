import { spawn, spawnSync } from "node:child_process"
import { randomInt } from "node:crypto"
import { once } from "node:events"
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parse } from "smol-toml"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { homeLayout } from "../../contract/home.ts"
import { manifest } from "../../contract/manifest.ts"
import { silentProgress } from "../../contract/progress.ts"
import { unpackKernel } from "../../machine/image/unpack-kernel.ts"
import { openTestHome, type TestHome } from "./test-home.ts"
import { toolsCommand } from "./uefi-machine.ts"

/** The base image, as signed, in a store of this test's own, where its bytes may be changed. */
let home: TestHome
let dir: string

beforeAll(() => {
  home = openTestHome("")
  const base = realpathSync(join(home.root, "images", "by-name", "base"))
  const images = join(home.root, "own-images")
  dir = join(images, "by-digest", basename(base))
  mkdirSync(dir, { recursive: true })
  for (const file of readdirSync(base)) cpSync(join(base, file), join(dir, file))
  mkdirSync(join(images, "by-name"), { recursive: true })
  symlinkSync(join("..", "by-digest", basename(base)), join(images, "by-name", "base"))
  spawnSync("ln", ["-sfn", images, join(home.root, "images")])
})
afterAll(() => home[Symbol.asyncDispose]())

const SEED = process.env["STEREO_TEST_SEED"] ?? String(randomInt(1_000_000))
process.stderr.write(`image.e2e: STEREO_TEST_SEED=${SEED} chooses the same bytes again\n`)

/** The first byte, the last, and some between, chosen by the seed: of the whole file, used or not. */
function chooseOffsets(sizeBytes: number, between: number): number[] {
  let state = Number(SEED)
  const next = () => {
    // the constants of Numerical Recipes; good enough to spread over a file
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return Math.floor((state / 2 ** 32) * sizeBytes)
  }
  return [0, ...Array.from({ length: between }, next), sizeBytes - 1]
}

/** Turns one byte over, and gives it back. */
function flipByte(file: string, offset: number): void {
  const handle = openSync(file, "r+")
  const byte = Buffer.alloc(1)
  readSync(handle, byte, 0, 1, offset)
  writeSync(handle, Buffer.from([byte.readUInt8() ^ 0xff]), 0, 1, offset)
}

describe("one changed byte, anywhere", () => {
  it.each([
    ["the root disk with its hash tree", "root.verity", 6],
    ["the initramfs", "initramfs.cpio.zst", 2],
    ["the kernel", "vmlinuz", 2],
    ["the manifest", "manifest.toml", 2],
  ])("of %s keeps the machine from starting", async (_part, name, between) => {
    const file = join(dir, name)
    for (const offset of chooseOffsets(statSync(file).size, between)) {
      flipByte(file, offset)
      try {
        const { code, stderr } = await home.stereo(["up", "--image", "base", "--name", "bad"])
        expect({ offset, code, refused: /image\/not-verified/.test(stderr) }).toEqual({
          offset,
          code: 1,
          refused: true,
        })
      } finally {
        flipByte(file, offset)
        await home.stereo(["rm", "-f", "bad"])
      }
    }
  })
})

/** Without the check before: what is started is what stands here, and only the boot path itself can stop it. */
describe("the boot path alone", () => {
  it("goes on to systemd with the files as they are", async () => {
    expect(await boot()).toMatch(/systemd\[1\]/)
  })

  it.each([
    ["the first block of the root", "root.verity", () => 1024, /verity|root file system does not mount/],
    ["the root of the hash tree", "root.verity", () => verity().data_blocks * 4096, /verity/],
    ["the initramfs, near its beginning", "initramfs.cpio.zst", () => 20_000, /panic/],
    ["the initramfs, in its middle", "initramfs.cpio.zst", (size: number) => Math.floor(size / 2), /panic/],
    [
      "the initramfs, in its last byte",
      "initramfs.cpio.zst",
      (size: number) => size - 1,
      /Initramfs unpacking failed/,
    ],
  ])("stops at a changed byte in %s", async (_where, name, at, reason) => {
    const file = join(dir, name)
    const offset = at(statSync(file).size)
    flipByte(file, offset)
    try {
      const console = await boot()
      expect(console).not.toMatch(/systemd\[1\]/)
      expect(console).toMatch(reason)
    } finally {
      flipByte(file, offset)
    }
  })
})

function verity(): { readonly data_blocks: number } {
  return readManifest().verity
}

function readManifest() {
  return manifest.parse(parse(readFileSync(join(dir, "manifest.toml"), "utf8")))
}

/** The machine's files in QEMU, without stereo; gives the console when systemd speaks or the machine has ended. */
async function boot(): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), "stereo-boot-"))
  try {
    const image = { name: "base", dir, manifest: readManifest() }
    const shared = homeLayout(home.root)
    cpSync(
      await unpackKernel({ home: shared, image, progress: silentProgress, now: Date.now }),
      join(work, "vmlinux"),
    )
    for (const name of ["root.verity", "initramfs.cpio.zst"]) cpSync(join(dir, name), join(work, name))
    writeFileSync(join(work, "data.img"), "")
    truncateSync(join(work, "data.img"), 67_108_864)
    spawnSync("mkfs.ext4", ["-q", join(work, "data.img")])
    return await runQemu(work, image.manifest.kernel.command_line)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const LONGEST_BOOT_MS = 240_000

async function runQemu(work: string, commandLine: string): Promise<string> {
  const child = spawn(
    "bwrap",
    toolsCommand(work, [
      ...[
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-machine",
        "q35",
        "-accel",
        "tcg",
        "-cpu",
        "max",
      ],
      ...["-smp", "2", "-m", "1024M", "-no-reboot", "-display", "none", "-serial", "stdio"],
      ...["-kernel", "vmlinux", "-initrd", "initramfs.cpio.zst", "-append", commandLine],
      ...["-blockdev", "driver=raw,node-name=root,read-only=on,file.driver=file,file.filename=root.verity"],
      ...["-device", "virtio-blk-pci,drive=root,serial=stereo-root"],
      ...["-blockdev", "driver=raw,node-name=data,file.driver=file,file.filename=data.img"],
      ...["-device", "virtio-blk-pci,drive=data,serial=stereo-data"],
      ...["-nic", "user,model=virtio-net-pci,restrict=on"],
    ]),
  )
  let text = ""
  const ended = once(child, "close")
  const timer = setTimeout(() => child.kill("SIGKILL"), LONGEST_BOOT_MS)
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1")
    if (/systemd\[1\]/.test(text)) child.kill("SIGKILL")
  })
  await ended
  clearTimeout(timer)
  return text
}
