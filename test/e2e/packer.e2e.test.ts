import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { homeLayout } from "../../contract/home.ts"
import { currentToolsTree, toolsSandboxArgs } from "../../contract/tools-tree.ts"
import { openPacker, type Packer } from "../publish/packer/debian-packer.ts"
import { openTestHome, projectDir, type TestHome } from "./test-home.ts"

const BUILD_LIMIT_MS = 600_000
const SECTOR = 512

let home: TestHome
let packer: Packer
let dir: string
let manifest: { files: { root: { sha256: string; size_bytes: number } } }
beforeAll(async () => {
  home = openTestHome("")
  packer = await openPacker()
  dir = mkdtempSync(join(tmpdir(), "stereo-packer-e2e-"))
  await home.must(["packer", "base", "--packer-version", "1.6.6", "-o", dir])
  const shown = (await home.json(["images", "show", "base"])) as { manifest: typeof manifest }
  manifest = shown.manifest
}, BUILD_LIMIT_MS)
afterAll(async () => {
  packer[Symbol.dispose]()
  rmSync(dir, { recursive: true, force: true })
  await home[Symbol.asyncDispose]()
})

describe("the gate of a pipeline, run by Debian's packer", () => {
  it(
    "boots the sealed disk, hears what the machine is, and gives the disk back byte for byte",
    async () => {
      const { code, output } = await build([])
      expect(output).toMatch(
        /the machine is base [0-9a-f]{12}: root, packet filter and units are as promised/,
      )
      expect(code).toBe(0)
      const sealed = readFileSync(join(dir, "base.raw"))
      const passed = readFileSync(join(dir, "output-base/base.raw"))
      expect(hash(passed)).toBe(hash(sealed))
      expect(readFileSync(join(dir, "output-base/base.raw.sha256"), "utf8")).toContain(hash(sealed))
      expect(hash(readRoot(passed))).toBe(manifest.files.root.sha256)
      expect(JSON.parse(readFileSync(join(dir, "output-base/packer-manifest.json"), "utf8"))).toMatchObject({
        builds: [{ name: "gate", custom_data: { sha256: hash(sealed) } }],
      })
      expect(readdirSync(dir).filter((name) => name.endsWith(".control"))).toEqual([])
      rmSync(join(dir, "output-base"), { recursive: true })
    },
    BUILD_LIMIT_MS,
  )

  it(
    "lets no disk through that was changed, also when it was told to expect that one",
    async () => {
      const disk = readFileSync(join(dir, "base.raw"))
      const start = readStart(disk)
      const tampered = join(dir, "tampered.raw")
      writeFileSync(tampered, disk)
      const file = openSync(tampered, "r+")
      // every 64th block: whichever are read first
      for (let block = 1; block * 4096 < manifest.files.root.size_bytes; block += 64) {
        writeSync(file, Buffer.alloc(36, 0xff), 0, 36, start + block * 4096)
      }
      const sha256 = hash(readFileSync(tampered))
      const told = await build(["-var", "disk=tampered.raw"])
      expect(told.output).toMatch(/checksum/i)
      const { code, output } = await build(["-var", "disk=tampered.raw", "-var", `disk_sha256=${sha256}`])
      expect(code).toBe(1)
      expect(output).toContain("attest/ended")
      expect(readFileSync(join(dir, "output-base.console.log"), "utf8")).toMatch(/verity|corrupt|panic/i)
      expect(existsSync(join(dir, "output-base"))).toBe(false)
    },
    BUILD_LIMIT_MS,
  )
})

function build(more: readonly string[]) {
  const programs = join(dir, "bin")
  plantPrograms(programs)
  const variables = ["accelerator=tcg", `qemu_binary=${join(programs, "qemu-system-x86_64")}`]
  const args = [...variables, `stereo=${join(projectDir, "stereo")}`].flatMap((one) => ["-var", one])
  return packer.run(dir, ["build", "-only=gate.*", ...args, ...more, "."], {
    PATH: `${programs}:${process.env["PATH"]}`,
    STEREO_HOME: home.root,
  })
}

/** QEMU of the tools tree, where Packer's builder looks for it: each call in bubblewrap, with the folder and no network. */
function plantPrograms(programs: string): void {
  const sandbox = toolsSandboxArgs(realpathSync(currentToolsTree(homeLayout(home.root))))
  // where QEMU keeps what the firmware writes, until it ends
  const temporary = ["--tmpfs", "/var/tmp"]
  const words = [...sandbox, ...temporary, "--bind", dir, dir, "--chdir", dir]
    .map((word) => `'${word}'`)
    .join(" ")
  mkdirSync(programs, { recursive: true })
  for (const name of ["qemu-system-x86_64", "qemu-img"]) {
    writeFileSync(join(programs, name), `#!/bin/sh\nexec bwrap ${words} -- ${name} "$@"\n`)
    chmodSync(join(programs, name), 0o755)
  }
}

/** The second partition's bytes, which are those of the image's root and then nothing. */
function readRoot(disk: Buffer): Buffer {
  const start = readStart(disk)
  return disk.subarray(start, start + manifest.files.root.size_bytes)
}

/** GPT: entries of 128 bytes from the third sector on, the first sector of a partition at 32. */
function readStart(disk: Buffer): number {
  return Number(disk.readBigUInt64LE(2 * SECTOR + 128 + 32)) * SECTOR
}

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
