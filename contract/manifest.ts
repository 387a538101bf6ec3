/** `manifest.toml`: what an image's artifact says of itself. Written by the builder, read by the rest. */

import { z } from "zod"
import { siteWall } from "./site.ts"

export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 lower-case hex digits")

const artifactFile = z.strictObject({
  /** File name beside the manifest. */
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
  sha256: sha256Hex,
  size_bytes: z.int().nonnegative(),
})

/** By number of the register, of the bank sha256. */
const predictedPcrs = z.strictObject({ sha256: z.record(z.string().regex(/^\d{1,2}$/), sha256Hex) })

export const manifest = z.strictObject({
  schema: z.literal(1),
  name: z.string(),
  /** What of images/profiles lies over the definition; `strict` loosens nothing. */
  profile: z.string(),
  /** Of an image for a cloud: its gateway, and from where its sshd takes connections. Absent: it runs on this host. */
  site: siteWall.optional(),
  arch: z.literal("x86_64"),
  /** Hash of the resolved plan; the image's identity as an intention. */
  plan: sha256Hex,
  files: z.strictObject({
    /** A bzImage, as Debian ships it. */
    kernel: artifactFile,
    initramfs: artifactFile,
    root: artifactFile,
    /** systemd's EFI stub, with which kernel, initramfs and command line become one program for UEFI firmware. */
    stub: artifactFile,
    /** The image's own, which that program shows to firmware and boot loaders. */
    os_release: artifactFile,
    /** The packet filter as the guest loads it. */
    firewall: artifactFile,
    /** What a kernel made of it: `nft -j list ruleset` in the canonical form of canonical-ruleset.ts. */
    ruleset: artifactFile,
    /** The unit set of unit-set.ts. */
    units: artifactFile,
    /** Each path of the root with what accounts for it, as in inventory.ts. */
    inventory: artifactFile,
    /** The packages that it was made of, as in image-lock.ts, and those of the tools that made it. */
    lock: artifactFile,
    tools_lock: artifactFile,
    /** Bills of material: SPDX 2.3 and CycloneDX 1.6, both in JSON. */
    spdx: artifactFile,
    cyclonedx: artifactFile,
  }),
  /** What a machine must be found to be, beside its root hash, before anything may leave it. */
  measurements: z.strictObject({ ruleset_sha256: sha256Hex, units_sha256: sha256Hex }),
  /** erofs followed by its dm-verity hash tree, in one file. */
  verity: z.strictObject({
    root_hash: sha256Hex,
    salt: z.string(),
    data_blocks: z.int().positive(),
    block_size_bytes: z.literal(4096),
  }),
  kernel: z.strictObject({
    version: z.string(),
    command_line: z.string(),
    /** Of the ELF file inside `files.kernel`, shrunk: what a machine boots by its PVH entry. */
    vmlinux_sha256: sha256Hex,
  }),
  /** The unified kernel image that every disk of this image boots, before it is signed. */
  uefi: z.strictObject({
    uki_sha256: sha256Hex,
    /** What a signature for Secure Boot is made over; signing does not change it. */
    authenticode_sha256: sha256Hex,
    /** What a TPM will hold once it has booted, by number of the register; 4 as it is with Secure Boot on. */
    pcrs: predictedPcrs,
    /** Those that are otherwise with Secure Boot off: 4. */
    pcrs_secure_boot_off: predictedPcrs,
  }),
  resources: z.strictObject({
    cpus: z.int().positive(),
    memory_mib: z.int().positive(),
    disk_mib: z.int().positive(),
  }),
  egress: z.strictObject({ sets: z.array(z.string()), budget_mib: z.int().positive().optional() }),
  /** Non-secret variables for the agent's processes. */
  env: z.record(z.string(), z.string()),
  /** What went in, by name and version; digests where the source gives them. */
  packages: z.array(
    z.strictObject({
      kind: z.enum(["deb", "npm"]),
      name: z.string(),
      version: z.string(),
      digest: z.string(),
    }),
  ),
})
export type Manifest = z.infer<typeof manifest>
