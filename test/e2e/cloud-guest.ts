/** An image for EC2 in QEMU as an instance has it: UEFI firmware, the disk as NVMe, a card with DHCP, and no wire of stereo's. */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { homeLayout } from "../../contract/home.ts"
import { currentToolsTree, toolsSandboxArgs } from "../../contract/tools-tree.ts"
import { SSH_PORTS } from "../../contract/wire.ts"
import { sharedHome } from "./test-home.ts"

/** QEMU's user network: this host as the guest sees it, and by which forwarded connections come. */
export const HOST_ADDRESS = "10.0.2.2"
export const GUEST_MAC = "52:54:00:12:34:56"

/** In the tools tree. */
const FIRMWARE = "usr/share/OVMF"

type SshPorts = Readonly<Record<keyof typeof SSH_PORTS, number>>

export interface CloudGuest extends AsyncDisposable {
  /** Of this host; each leads to the guest's port for that user. */
  readonly sshPorts: SshPorts
  readonly console: () => string
  /** All frames of the card so far, as QEMU captured them. */
  readonly capture: () => Buffer
}

/** `disk` is the image as it is published, raw; it is read only. Resolves when the console matches `ready`. */
export async function startCloudGuest(disk: string, ready: RegExp): Promise<CloudGuest> {
  const dir = mkdtempSync(join(tmpdir(), "stereo-cloud-"))
  const sshPorts = { agent: await freePort(), root: await freePort() }
  const tree = realpathSync(currentToolsTree(homeLayout(sharedHome)))
  copyFileSync(join(tree, FIRMWARE, "OVMF_VARS_4M.fd"), join(dir, "vars.fd"))
  const sandbox = [
    ...toolsSandboxArgs(tree),
    ...["--share-net", "--ro-bind", disk, "/disk.raw", "--bind", dir, "/out", "--"],
  ]
  const child = spawn("bwrap", [...sandbox, ...qemuArgs(sshPorts)], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let said = ""
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk))
  const read = (name: string) =>
    existsSync(join(dir, name)) ? readFileSync(join(dir, name)) : Buffer.alloc(0)
  const guest: CloudGuest = {
    sshPorts,
    console: () => read("console.log").toString("latin1"),
    capture: () => read("net.pcap"),
    async [Symbol.asyncDispose]() {
      await end(child)
      rmSync(dir, { recursive: true, force: true })
    },
  }
  for (let looks = 0; looks < 600; looks += 1) {
    if (ready.test(guest.console())) return guest
    if (child.exitCode !== null) break
    await delay(500)
  }
  const tail = guest.console().slice(-2000)
  await guest[Symbol.asyncDispose]()
  throw new Error(`the guest does not come up\n${said}\n${tail}`)
}

function qemuArgs({ agent, root }: SshPorts): string[] {
  return [
    ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-machine", "q35,smm=on", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024"],
    ...["-serial", "file:/out/console.log", "-device", "virtio-rng-pci"],
    ...["-global", "driver=cfi.pflash01,property=secure,value=on"],
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=/${FIRMWARE}/OVMF_CODE_4M.secboot.fd`],
    ...["-drive", "if=pflash,unit=1,format=raw,file=/out/vars.fd"],
    ...["-drive", "if=none,id=root,format=raw,readonly=on,file=/disk.raw"],
    // an index keeps the firmware off the card; the serial is none by which the initramfs could know the disk
    ...["-device", "nvme,drive=root,serial=vol0a1b2c3d,bootindex=0"],
    ...["-netdev", `user,id=net,${forward(agent, SSH_PORTS.agent)},${forward(root, SSH_PORTS.root)}`],
    ...["-device", `virtio-net-pci,netdev=net,romfile=,mac=${GUEST_MAC}`],
    ...["-object", "filter-dump,id=dump,netdev=net,file=/out/net.pcap"],
  ]
}

function forward(from: number, to: number): string {
  return `hostfwd=tcp:127.0.0.1:${from}-:${to}`
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill("SIGKILL")
  await once(child, "exit")
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Text that is made once and kept beside the shared caches, so that an image with it in stays the same. */
export function keptText(name: string, make: () => string): string {
  const path = join(sharedHome, "cache", "test-site", name)
  if (!existsSync(path)) {
    mkdirSync(join(sharedHome, "cache", "test-site"), { recursive: true })
    writeFileSync(path, make(), { mode: 0o600 })
  }
  return readFileSync(path, "utf8")
}
