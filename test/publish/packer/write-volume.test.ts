import { type ExecFileException, execFile } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { projectDir } from "../../rules/sources.ts"

const GIB = 2 ** 30
const content = randomBytes(3_000_001)
const sha256 = createHash("sha256").update(content).digest("hex")

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "stereo-volume-"))
  for (const name of ["block", "dev", "work", "proc"]) mkdirSync(join(root, name))
  writeFileSync(join(root, "proc/drop_caches"), "")
  writeFileSync(join(root, "work/sealed.raw"), content)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe("the script that writes a sealed disk onto a volume", () => {
  it("writes onto the one empty disk of its size, and reads it back", async () => {
    plantDisk("nvme0n1", { gib: 8, partitions: ["nvme0n1p1"] })
    plantDisk("nvme1n1", { gib: 2 })
    const { code, output } = await writeVolume(sha256)
    expect(output).toContain(`/dev/nvme1n1 holds sha256 ${sha256}`)
    expect(code).toBe(0)
    expect(readStart("nvme1n1")).toEqual(content)
    expect(existsSync(join(root, "work/sealed.raw"))).toBe(false)
  })

  it("touches nothing when the disk that was sent is another", async () => {
    plantDisk("nvme1n1", { gib: 2 })
    expect(await writeVolume("0".repeat(64))).toMatchObject({
      code: 1,
      output: expect.stringContaining("sha256 differs"),
    })
    expect(readStart("nvme1n1").every((byte) => byte === 0)).toBe(true)
  })

  it.each([
    ["none of the size is there", () => plantDisk("xvda", { gib: 8 }), "no empty disk of 2 GiB"],
    [
      "the only one has partitions",
      () => plantDisk("xvdf", { gib: 2, partitions: ["xvdf1"] }),
      "no empty disk",
    ],
    ["the only one is in use", () => plantDisk("xvdf", { gib: 2, holders: ["dm-0"] }), "no empty disk"],
    ["the only one holds something", () => plantDisk("xvdf", { gib: 2, start: "data" }), "no empty disk"],
    ["two are empty", () => ["xvdf", "xvdg"].map((name) => plantDisk(name, { gib: 2 })), "both empty"],
  ])("refuses when %s", async (_case, plant, words) => {
    plant()
    expect(await writeVolume(sha256)).toMatchObject({ code: 1, output: expect.stringContaining(words) })
  })
})

interface Planted {
  readonly gib: number
  readonly partitions?: readonly string[]
  readonly holders?: readonly string[]
  readonly start?: string
}

/** As the kernel shows a disk, with a sparse file where its device would be. */
function plantDisk(name: string, { gib, partitions = [], holders = [], start = "" }: Planted): void {
  const dir = join(root, "block", name)
  mkdirSync(join(dir, "holders"), { recursive: true })
  writeFileSync(join(dir, "size"), `${(gib * GIB) / 512}\n`)
  for (const partition of partitions) mkdirSync(join(dir, partition))
  for (const holder of holders) writeFileSync(join(dir, "holders", holder), "")
  writeFileSync(join(root, "dev", name), start)
  truncateSync(join(root, "dev", name), gib * GIB)
}

function readStart(name: string): Buffer {
  const file = openSync(join(root, "dev", name), "r")
  const start = Buffer.alloc(content.length)
  readSync(file, start, 0, start.length, 0)
  closeSync(file)
  return start
}

/** The script itself, where it sees these disks and no other. */
function writeVolume(expected: string): Promise<{ readonly code: number; readonly output: string }> {
  const sandbox = [
    ...["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--proc", "/proc"],
    ...["--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
    ...[
      "--bind",
      join(root, "dev"),
      "/dev",
      "--dev-bind",
      "/dev/zero",
      "/dev/zero",
      "--dev-bind",
      "/dev/null",
      "/dev/null",
    ],
    ...["--ro-bind", join(root, "block"), "/sys/block", "--bind", join(root, "work"), "/work"],
    ...["--bind", join(root, "proc/drop_caches"), "/proc/sys/vm/drop_caches"],
    ...["--ro-bind", join(projectDir, "publish/packer/write-volume.sh"), "/write-volume.sh"],
    ...[
      "--setenv",
      "DISK",
      "/work/sealed.raw",
      "--setenv",
      "DISK_SHA256",
      expected,
      "--setenv",
      "VOLUME_GIB",
      "2",
    ],
  ]
  return new Promise((resolve) => {
    execFile(
      "bwrap",
      [...sandbox, "--", "/bin/sh", "/write-volume.sh"],
      (failure: ExecFileException | null, stdout, stderr) => {
        const code = typeof failure?.code === "number" ? failure.code : failure ? -1 : 0
        resolve({ code, output: `${stdout}${stderr}` })
      },
    )
  })
}
