import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type Manifest, manifest } from "../../contract/manifest.ts"
import { INSIDE, renderQemuArgs } from "../../machine/qemu/render-qemu-args.ts"
import { renderBubblewrapArgs } from "../../machine/render-bubblewrap-args.ts"
import { makeRecord } from "./host-stand-in.ts"

const golden = join(import.meta.dirname, "../golden/machine")
const file = { name: "f", sha256: "1".repeat(64), size_bytes: 1 }
const image: Manifest = manifest.parse({
  schema: 1,
  name: "base",
  profile: "strict",
  arch: "x86_64",
  plan: "a".repeat(64),
  files: {
    ...Object.fromEntries(Object.keys(manifest.shape.files.shape).map((name) => [name, file])),
    kernel: { ...file, name: "vmlinuz" },
    initramfs: { ...file, name: "initramfs.cpio" },
    root: { ...file, name: "root.verity" },
  },
  measurements: { ruleset_sha256: "c".repeat(64), units_sha256: "d".repeat(64) },
  verity: { root_hash: "b".repeat(64), salt: "00", data_blocks: 1, block_size_bytes: 4096 },
  kernel: {
    version: "6.12",
    command_line: "console=ttyS0 quiet stereo.root=hash:salt:1",
    vmlinux_sha256: "7".repeat(64),
  },
  uefi: {
    uki_sha256: "8".repeat(64),
    authenticode_sha256: "9".repeat(64),
    pcrs: { sha256: {} },
    pcrs_secure_boot_off: { sha256: {} },
  },
  resources: { cpus: 2, memory_mib: 1024, disk_mib: 1024 },
  egress: { sets: [] },
  env: {},
  packages: [],
})

describe("QEMU's command line", () => {
  it.each(["tcg", "kvm"] as const)("is the known one for %s", async (accelerator) => {
    const { file, args } = renderQemuArgs(image, makeRecord({ accelerator }))
    await expect(lines(file, args)).toMatchFileSnapshot(join(golden, `qemu-${accelerator}.args`))
  })

  it("opens every file with its format said, so that a guest's bytes cannot choose one", () => {
    const { args } = renderQemuArgs(image, makeRecord())
    const devices = args.filter((_arg, index) => /^-(blockdev|drive)$/.test(args[index - 1] ?? ""))
    expect(devices.length).toBe(2)
    expect(devices.every((one) => one.startsWith("driver=raw,"))).toBe(true)
    expect(args.filter((arg) => /^-(drive|hda|cdrom|fsdev|virtfs)$/.test(arg))).toEqual([])
  })

  it("names no path outside what the sandbox shows", () => {
    const { args } = renderQemuArgs(image, makeRecord())
    const paths = args.join(" ").match(/(?<![\w.])\/[\w./-]+/g) ?? []
    const outside = paths.filter(
      (path) =>
        path !== INSIDE.kernel &&
        !path.startsWith(`${INSIDE.image}/`) &&
        !path.startsWith(`${INSIDE.machine}/`),
    )
    expect(outside).toEqual([])
  })
})

describe("the sandbox", () => {
  it("is the known one for a machine", async () => {
    const { file, args } = renderBubblewrapArgs({
      toolsDir: "/tools",
      readOnly: { [INSIDE.image]: "/images/base" },
      writable: { [INSIDE.machine]: "/machines/demo/vm" },
      devices: ["/dev/kvm"],
      dieWithParent: true,
      infoFd: 3,
      command: { file: "/usr/bin/qemu-system-x86_64", args: ["-version"] },
    })
    await expect(lines(file, args)).toMatchFileSnapshot(join(golden, "bubblewrap.args"))
  })
})

/** An option with its values on each line. */
function lines(file: string, args: readonly string[]): string {
  return `${[file, ...args].join(" ").replaceAll(/ (-)/g, "\n$1")}\n`
}
