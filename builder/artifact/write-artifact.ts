/** Puts a finished image together: kernel, initramfs, root, and the manifest that names and measures them. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { copyFile, link, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { stringify } from "smol-toml"
import { type Manifest, manifest } from "../../contract/manifest.ts"
import type { Plan } from "../plan.ts"
import { renderCommandLine } from "./command-line.ts"
import type { BootRecord } from "./make-boot.ts"
import type { RootRecord } from "./make-root.ts"

export interface ArtifactRequest {
  readonly plan: Plan
  readonly planSha256: string
  readonly bootDir: string
  readonly rootDir: string
  readonly ukiDir: string
  readonly measured: {
    readonly measurements: Manifest["measurements"]
    readonly files: Readonly<Record<"firewall" | "ruleset" | "units", string>>
  }
  readonly debianPackages: readonly {
    readonly name: string
    readonly version: string
    readonly sha256: string
  }[]
  readonly bills: Readonly<Record<"spdx" | "cyclonedx", string>>
  /** The file that lists each path of the root. */
  readonly inventory: string
  /** The text of the lock that the packages are from, and that of the tools tree. */
  readonly lock: string
  readonly toolsLock: string
  readonly dir: string
}

/** Fills the folder and gives the manifest's text; its sha256 is the image's digest. */
export async function writeArtifact(request: ArtifactRequest): Promise<string> {
  const { plan, bootDir, rootDir, ukiDir, measured, dir } = request
  const boot: BootRecord = JSON.parse(await readFile(join(bootDir, "boot.json"), "utf8"))
  const root: RootRecord = JSON.parse(await readFile(join(rootDir, "root.json"), "utf8"))
  const uefi: Manifest["uefi"] = JSON.parse(await readFile(join(ukiDir, "uefi.json"), "utf8"))
  const document: Manifest = {
    schema: 1,
    name: plan.name,
    profile: plan.profile,
    ...(plan.site === undefined
      ? {}
      : { site: { gateway: plan.site.gateway, ssh: { allow: [...plan.site.ssh.allow] } } }),
    arch: plan.arch,
    plan: request.planSha256,
    files: {
      kernel: await place(join(bootDir, "vmlinuz"), dir, "vmlinuz"),
      initramfs: await place(join(bootDir, "initramfs.cpio.zst"), dir, "initramfs.cpio.zst"),
      root: await place(join(rootDir, "root.verity"), dir, "root.verity"),
      stub: await place(join(ukiDir, "linuxx64.efi.stub"), dir, "linuxx64.efi.stub"),
      os_release: await place(join(ukiDir, "os-release"), dir, "os-release"),
      firewall: await place(measured.files.firewall, dir, "firewall.nft"),
      ruleset: await place(measured.files.ruleset, dir, "ruleset.json"),
      units: await place(measured.files.units, dir, "units.json"),
      inventory: await place(request.inventory, dir, "inventory.json"),
      lock: await write(request.lock, dir, "lock.toml"),
      tools_lock: await write(request.toolsLock, dir, "tools-lock.toml"),
      spdx: await place(request.bills.spdx, dir, "sbom.spdx.json"),
      cyclonedx: await place(request.bills.cyclonedx, dir, "sbom.cdx.json"),
    },
    measurements: measured.measurements,
    verity: {
      root_hash: root.rootHash,
      salt: root.salt,
      data_blocks: root.dataBlocks,
      block_size_bytes: 4096,
    },
    kernel: {
      version: boot.kernelVersion,
      command_line: renderCommandLine(plan, root),
      vmlinux_sha256: boot.vmlinuxSha256,
    },
    uefi,
    resources: {
      cpus: plan.resources.cpus,
      memory_mib: plan.resources.memoryMib,
      disk_mib: plan.resources.diskMib,
    },
    egress: {
      sets: [...plan.egressSets],
      ...(plan.egressBudgetMib === undefined ? {} : { budget_mib: plan.egressBudgetMib }),
    },
    env: { ...plan.env },
    packages: listPackages(request),
  }
  const text = stringify(manifest.parse(document))
  await writeFile(join(dir, "manifest.toml"), text)
  return text
}

function listPackages({ debianPackages, plan }: ArtifactRequest): Manifest["packages"] {
  return [
    ...distinct(debianPackages).map(({ name, version, sha256 }) => {
      return { kind: "deb" as const, name, version, digest: `sha256:${sha256}` }
    }),
    ...plan.npm.map(({ name, version, integrity }) => ({
      kind: "npm" as const,
      name,
      version,
      digest: integrity,
    })),
  ]
}

/** Root and boot packages overlap; each is named once. */
function distinct(packages: ArtifactRequest["debianPackages"]): ArtifactRequest["debianPackages"] {
  const byName = new Map(packages.map((each) => [each.name, each]))
  return [...byName.values()].sort((left, right) => (left.name < right.name ? -1 : 1))
}

async function write(text: string, dir: string, name: string): Promise<Manifest["files"]["root"]> {
  await writeFile(join(dir, name), text)
  return describe(join(dir, name), name)
}

async function place(from: string, dir: string, name: string): Promise<Manifest["files"]["root"]> {
  const to = join(dir, name)
  await linkOrCopy(from, to)
  return describe(to, name)
}

async function describe(file: string, name: string): Promise<Manifest["files"]["root"]> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(file), hash)
  return { name, sha256: hash.digest("hex"), size_bytes: (await stat(file)).size }
}

/** The cache's file under another name: both are never written again. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EXDEV")) throw thrown
    await copyFile(from, to)
  }
}
