/** Stores images of which only what the builder reads before it builds one again is real. */

import { createHash } from "node:crypto"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { stringify } from "smol-toml"
import { type Home, homeLayout } from "../../contract/home.ts"
import { manifest as manifestShape } from "../../contract/manifest.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

export const SOME_LOCK = stringify({
  ...{ schema: 1, suite: "trixie", arch: "amd64", epoch: 1, root: [], boot: [], deb: [], npm: [] },
})

export interface StoredParts {
  /** Over what the manifest says otherwise. */
  readonly manifest?: Readonly<Record<string, unknown>>
  /** Text or bytes by the name of a file. */
  readonly files?: Readonly<Record<string, string | Buffer>>
}

export interface ArtifactLab extends Disposable {
  readonly folder: TestFolder
  readonly home: Home
  /** Gives its folder; `name` points at it. */
  store(name: string, parts?: StoredParts): string
}

export function openArtifactLab(): ArtifactLab {
  const folder = openFolder()
  const home = homeLayout(join(folder.dir, "home"))
  return {
    folder,
    home,
    store: (name, parts = {}) => storeParts(home, name, parts),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

export function sha256Of(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}

function storeParts(home: Home, name: string, { manifest = {}, files = {} }: StoredParts): string {
  const all = { "lock.toml": SOME_LOCK, "tools-lock.toml": SOME_LOCK, ...files }
  const describe = (file: string) => {
    const bytes = Buffer.from(all[file as keyof typeof all] ?? "")
    return { name: file, sha256: sha256Of(bytes), size_bytes: bytes.length }
  }
  const names = { root: "root.verity", lock: "lock.toml", tools_lock: "tools-lock.toml" }
  const parts = Object.keys(manifestShape.shape.files.shape).map((part) => {
    return [part, describe(Reflect.get(names, part) ?? `${part.replace("_", "-")}.bin`)] as const
  })
  const text = stringify({
    ...{ schema: 1, name, profile: "strict", arch: "x86_64", plan: "0".repeat(64) },
    files: Object.fromEntries(parts),
    measurements: { ruleset_sha256: "0".repeat(64), units_sha256: "0".repeat(64) },
    verity: { root_hash: "0".repeat(64), salt: "00", data_blocks: 1, block_size_bytes: 4096 },
    kernel: { version: "6.12", command_line: "", vmlinux_sha256: "7".repeat(64) },
    uefi: {
      uki_sha256: "8".repeat(64),
      authenticode_sha256: "9".repeat(64),
      pcrs: { sha256: {} },
      pcrs_secure_boot_off: { sha256: {} },
    },
    resources: { cpus: 1, memory_mib: 256, disk_mib: 256 },
    ...{ egress: { sets: [] }, env: {}, packages: [] },
    ...manifest,
  })
  const dir = join(home.images, "by-digest", sha256Of(text))
  mkdirSync(dir, { recursive: true })
  for (const [file, bytes] of Object.entries({ ...all, "manifest.toml": text }))
    writeFileSync(join(dir, file), bytes)
  mkdirSync(join(home.images, "by-name"), { recursive: true })
  symlinkSync(`../by-digest/${sha256Of(text)}`, join(home.images, "by-name", name))
  return dir
}
