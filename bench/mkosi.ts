/** Debian's mkosi, in a tree of its own: builds an image as near to `base` as it comes, and boots it as `up` boots ours. */

import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { type DebianSources, findDebianSources, NO_SETTINGS } from "../builder/apt.ts"
import { homeLayout } from "../contract/home.ts"
import { currentToolsTree, toolsSandboxArgs } from "../contract/tools-tree.ts"
import { projectDir, sharedHome } from "../test/e2e/test-home.ts"
import { openTree } from "../test/trees/open-tree.ts"

/** mkosi, and the programs that it starts for a Debian image with erofs, dm-verity and a unified kernel image. */
const PACKAGES = [
  ...["apt", "base-files", "base-passwd", "bash", "ca-certificates", "coreutils", "cpio", "cryptsetup-bin"],
  ...["dash", "debian-archive-keyring", "debianutils", "diffutils", "dosfstools", "dpkg", "e2fsprogs"],
  ...["erofs-utils", "findutils", "grep", "gzip", "hostname", "kmod", "libc-bin", "mkosi", "mount", "mtools"],
  ...["openssl", "passwd", "perl-base", "sed", "systemd", "systemd-boot-efi", "systemd-repart"],
  ...["systemd-ukify", "tar", "uidmap", "util-linux", "xz-utils", "zstd"],
]
const READY = "bench-ready"
const BOOT_LIMIT_MS = 240_000

export interface Mkosi {
  readonly version: string
  /** Seconds; what an earlier build left in the caches is used. */
  build(): number
  /** Changes a file of the image, as one does while working on it. */
  changeFile(): void
  /** Bytes: the disk as a file, and what of it is not a hole. */
  sizes(): { readonly diskBytes: number; readonly usedBytes: number }
  /** Seconds from QEMU's start to the line of bench-ready.service. */
  boot(accelerator: string): Promise<number>
}

/** `dir` is an empty folder; nothing is cached in it yet. */
export async function openMkosi(dir: string): Promise<Mkosi> {
  const tree = await openTree("mkosi", PACKAGES)
  const data = join(projectDir, "bench/mkosi")
  cpSync(data, dir, { recursive: true, verbatimSymlinks: true })
  for (const name of ["out", "cache", "packages"]) mkdirSync(join(dir, name))
  const aptDir = join(dir, "mkosi.sandbox/etc/apt/sources.list.d")
  mkdirSync(aptDir, { recursive: true })
  const runner = { logFile: join(dir, "sources.log"), signal: new AbortController().signal }
  writeFileSync(join(aptDir, "mkosi.sources"), renderSources(await findDebianSources(NO_SETTINGS, runner)))
  const run = (command: string) =>
    execFileSync("sh", [join(data, "in-tree.sh"), tree, dir, "sh", "-c", command], {
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 256 * 1024 * 1024,
      encoding: "utf8",
    })
  const disk = join(dir, "out/peer.raw")
  return {
    version: run("mkosi --version").trim(),
    build() {
      rmSync(join(dir, "out"), { recursive: true })
      mkdirSync(join(dir, "out"))
      const startedAt = performance.now()
      run("cd /work && mkosi --force build")
      return (performance.now() - startedAt) / 1000
    },
    changeFile() {
      mkdirSync(join(dir, "mkosi.extra/etc"), { recursive: true })
      writeFileSync(join(dir, "mkosi.extra/etc/motd"), `changed at ${performance.now()}\n`)
    },
    sizes: () => ({ diskBytes: statSync(disk).size, usedBytes: statSync(disk).blocks * 512 }),
    boot: (accelerator) => bootDisk(join(dir, "out"), accelerator),
  }
}

/** From this host's mirror, as stereo's own; without trixie-debug, which mkosi adds by itself and not every mirror has. */
function renderSources({ main, security }: DebianSources): string {
  const source = (address: string, suites: string) =>
    [
      `Types: deb\nURIs: ${address}\nSuites: ${suites}\nComponents: main`,
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    ].join("\n")
  return `${source(main, "trixie trixie-updates")}\n${source(security, "trixie-security")}`
}

/** By its kernel, as `stereo up` boots: firmware would add the same seconds to both. */
async function bootDisk(out: string, accelerator: string): Promise<number> {
  const toolsDir = realpathSync(currentToolsTree(homeLayout(sharedHome)))
  const sandbox = toolsSandboxArgs(toolsDir)
  const uki = ["--ro-bind", out, "/work", "--chdir", "/work"]
  const section = [
    "sh",
    "-c",
    "objcopy -O binary --only-section=.cmdline peer.efi /tmp/line && cat /tmp/line",
  ]
  const commandLine = execFileSync("bwrap", [...sandbox, ...uki, "--", ...section], { encoding: "utf8" })
  const kvm = accelerator === "kvm" ? ["--dev-bind", "/dev/kvm", "/dev/kvm"] : []
  const startedAt = performance.now()
  const child = spawn(
    "bwrap",
    [
      ...[...sandbox, ...uki, ...kvm, "--", "qemu-system-x86_64", "-nodefaults", "-no-user-config"],
      ...["-machine", "q35,usb=off,vmport=off,graphics=off", "-cpu", "max", "-smp", "2", "-m", "1024M"],
      ...["-accel", accelerator === "kvm" ? "kvm" : "tcg,thread=multi", "-display", "none", "-no-reboot"],
      ...[
        "-kernel",
        "peer.vmlinuz",
        "-initrd",
        "peer.initrd",
        "-append",
        commandLine.replaceAll("\0", "").trim(),
      ],
      ...["-drive", "if=virtio,format=raw,readonly=on,file=peer.raw", "-device", "virtio-rng-pci"],
      ...["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="],
      ...["-serial", "stdio", "-monitor", "none"],
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: BOOT_LIMIT_MS, killSignal: "SIGKILL" },
  )
  const ended = once(child, "close")
  const said: string[] = []
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes(READY)) return (performance.now() - startedAt) / 1000
      said.push(line)
    }
    throw new Error(`mkosi's image did not come up:\n${said.slice(-20).join("\n")}`)
  } finally {
    child.kill("SIGKILL")
    await ended
  }
}
