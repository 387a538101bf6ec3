import { spawnSync } from "node:child_process"
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { type Manifest, manifest as manifestShape } from "../../contract/manifest.ts"
import { parseToml } from "../../contract/toml.ts"
import { openTestHome, type TestHome } from "./test-home.ts"
import { openUefiMachine, toolsCommand, type UefiMachineRequest } from "./uefi-machine.ts"

const OWNER = "6d2f3c0e-9f5b-4a55-8a53-2c7f3f0f1a11"
/** A machine under TCG on a host that is busy. */
const BOOT_MS = 300_000
/** Firmware that refuses a disk says so; a guest that starts writes this first. */
const REFUSED = /Access Denied|Security Violation/
const ESP_OFFSET = 1_048_576
const READ_REGISTERS = "grep . /sys/class/tpm/tpm0/pcr-sha256/*"

const exported = z.looseObject({
  uefi: z.looseObject({ pcrs: z.object({ sha256: z.record(z.string(), z.string()) }) }),
})

let home: TestHome
let dir: string
let manifest: Manifest
let rootOffset: number
/** By register, for Secure Boot with the keys of this test. */
let foretold: Readonly<Record<string, string>>

beforeAll(async () => {
  home = openTestHome("")
  dir = mkdtempSync(join(tmpdir(), "stereo-uefi-"))
  for (const name of ["PK", "KEK", "db", "other"]) makeKey(name)
  await home.must([...exportOf("raw"), "-o", join(dir, "base.raw")])
  const text = readFileSync(join(home.root, "images/by-name/base/manifest.toml"), "utf8")
  manifest = parseToml({ text, file: "manifest.toml", stage: "test" }, manifestShape)
  // the second entry of the partition table: its first block of 512 bytes
  rootOffset = 512 * Number(readFileSync(join(dir, "base.raw")).readBigUInt64LE(1024 + 128 + 32))
  tool(["cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", "open.fd"])
  tool([
    ...["virt-fw-vars", "-i", "open.fd", "-o", "closed.fd", "--secure-boot", "--set-pk", OWNER, "PK.crt"],
    ...["--add-kek", OWNER, "KEK.crt", "--add-db", OWNER, "db.crt"],
  ])
  const keys = ["--secure-boot-key", join(dir, "db.key"), "--secure-boot-cert", join(dir, "db.crt")]
  const signed = [...exportOf("raw"), "-o", join(dir, "signed.raw"), ...keys]
  foretold = exported.parse(await home.json([...signed, "--firmware-vars", join(dir, "closed.fd")])).uefi.pcrs
    .sha256
})
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true })
  await home[Symbol.asyncDispose]()
})

describe("a disk under UEFI firmware", { timeout: 600_000 }, () => {
  it("boots as docs/formats.md says, is what its image promises, and takes a data disk as the agent's home", async () => {
    const data = join(dir, "data.img")
    spawnSync("truncate", ["-s", "32M", data])
    tool(["mkfs.ext4", "-q", "-E", "root_owner=1000:1000", "data.img"])
    await using machine = open({
      vars: "open.fd",
      tpm: true,
      more: [
        ...["-drive", "if=none,id=data,format=raw,file=data.img"],
        ...["-device", "virtio-blk-pci,drive=data,serial=stereo-data"],
      ],
    })
    const attested = await home.json([
      "attest",
      "base",
      "--control",
      machine.controlSocket,
      "--timeout",
      "300s",
    ])
    expect(attested).toMatchObject({ state: "attested" })
    const seen = await machine.run(
      `cat /proc/cmdline; grep /home/agent /proc/mounts; ls /sys/firmware/efi; ${READ_REGISTERS}`,
    )
    expect(seen.split("\n")[0]).toBe(manifest.kernel.command_line)
    expect(seen).toMatch(/^\/dev\/vdb \/home\/agent ext4 /m)
    expect(seen).toContain("runtime-map")
    const { pcrs, pcrs_secure_boot_off } = manifest.uefi
    expect(Object.keys(pcrs_secure_boot_off.sha256)).toEqual(["4"])
    expect(pcrs_secure_boot_off.sha256["4"]).not.toBe(pcrs.sha256["4"])
    expect(registersOf(seen)).toMatchObject({ ...pcrs.sha256, ...pcrs_secure_boot_off.sha256 })
  })

  it("boots with Secure Boot from NVMe when its key is enrolled, and leaves in a TPM what the manifest foretold", async () => {
    await using machine = open({
      vars: "closed.fd",
      disk: [
        "-drive",
        "if=none,id=root,format=raw,readonly=on,file=signed.raw",
        "-device",
        "nvme,drive=root,serial=any",
      ],
      tpm: true,
    })
    await home.must(["attest", "base", "--control", machine.controlSocket, "--timeout", "300s"])
    const seen = await machine.run(`grep /home/agent /proc/mounts; ${READ_REGISTERS}`)
    expect(registersOf(seen)).toMatchObject(foretold)
    expect(Object.keys(foretold)).toEqual(["4", "7", "11", "12"])
    expect(seen).toMatch(/^home \/home\/agent tmpfs /m)
  })
})

describe("Secure Boot with keys of one's own", { timeout: 600_000 }, () => {
  it.each([
    ["a disk that is not signed", async () => "base.raw"],
    ["a disk that is signed with another key", () => signedWith("other")],
    [
      "a signed disk with one byte of its kernel changed",
      async () => changed("signed.raw", "changed.raw", ukiOffset("signed.raw") + 6_000_000),
    ],
  ])("does not start %s", async (_what, make) => {
    await using machine = open({ vars: "closed.fd", disk: diskOf(await make()) })
    await machine.awaitConsole(REFUSED, BOOT_MS)
    expect(machine.console()).not.toMatch(/stereo-init|systemd|Linux version/)
  })
})

describe("a disk with a byte changed", { timeout: 600_000 }, () => {
  it.each([
    ["in the root", () => rootOffset + 1024],
    ["in the root's hash tree", () => rootOffset + manifest.verity.data_blocks * 4096],
  ])("%s stops before anything of it runs", async (_where, offsetOf) => {
    const disk = changed("base.raw", "broken.raw", offsetOf())
    await using machine = open({ vars: "open.fd", disk: diskOf(disk) })
    await machine.awaitConsole(/Kernel panic/, BOOT_MS)
    expect(machine.console()).toMatch(
      /dm-verity device corrupted|stereo-init: the root file system does not mount/,
    )
    expect(machine.console()).not.toContain("systemd[1]")
  })
})

function exportOf(format: string): string[] {
  return ["images", "export", "base", "--format", format]
}

function open({ vars, ...request }: Omit<UefiMachineRequest, "dir"> & { vars: string }) {
  copyFileSync(join(dir, vars), join(dir, "vars.fd"))
  rmSync(join(dir, "tpm"), { recursive: true, force: true })
  for (const socket of ["control.sock", "tpm.sock"]) rmSync(join(dir, socket), { force: true })
  return openUefiMachine({ dir, ...request })
}

/** By number, in lower case. */
function registersOf(text: string): Record<string, string> {
  const found = text.matchAll(/pcr-sha256\/(\d+):([0-9A-F]{64})$/gm)
  return Object.fromEntries([...found].map(([, number = "", value = ""]) => [number, value.toLowerCase()]))
}

function diskOf(file: string): string[] {
  return [
    "-drive",
    `if=none,id=root,format=raw,readonly=on,file=${file}`,
    "-device",
    "virtio-blk-pci,drive=root",
  ]
}

async function signedWith(name: string): Promise<string> {
  const keys = ["--secure-boot-key", join(dir, `${name}.key`), "--secure-boot-cert", join(dir, `${name}.crt`)]
  await home.must([...exportOf("raw"), "-o", join(dir, `${name}.raw`), ...keys])
  return `${name}.raw`
}

/** Copies a disk and flips one bit of the copy. */
function changed(from: string, to: string, offset: number): string {
  rmSync(join(dir, to), { force: true })
  spawnSync("cp", ["--sparse=always", join(dir, from), join(dir, to)])
  const file = openSync(join(dir, to), "r+")
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  writeSync(file, Buffer.from([byte.readUInt8() ^ 1]), 0, 1, offset)
  closeSync(file)
  return to
}

/** Where the kernel's program begins in a disk: on the file system it lies in one piece. */
function ukiOffset(disk: string): number {
  const bytes = readFileSync(join(dir, disk))
  return bytes.indexOf(Buffer.from("MZ"), ESP_OFFSET)
}

function makeKey(name: string): void {
  tool([
    ...["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "3650"],
    ...["-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`],
  ])
}

function tool(command: readonly string[]): void {
  const { status, stderr } = spawnSync("bwrap", toolsCommand(dir, command), { encoding: "utf8" })
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stderr}`)
}
