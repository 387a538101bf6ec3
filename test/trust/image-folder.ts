/** A small image in a store of its own, whole and signed as a build leaves it, for tests that then break it. */

import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parse, stringify } from "smol-toml"
import { renderStatement } from "../../builder/provenance/render-statement.ts"
import { type Home, homeLayout } from "../../contract/home.ts"
import { type Manifest, manifest as manifestShape } from "../../contract/manifest.ts"
import type { ProvenanceStatement } from "../../contract/provenance.ts"
import { openRootHasher } from "../../trust/image/root-hash.ts"
import { openSigner } from "../../trust/open-signer.ts"
import { signProvenance } from "../../trust/sign-provenance.ts"
import type { SigningChoice } from "../../trust/signer.ts"
import { type ImageTexts, renderImageTexts } from "./image-texts.ts"

export interface ImageFolder {
  readonly dir: string
  readonly digest: string
  readonly manifest: Manifest
}

export interface TestStore extends Disposable {
  readonly home: Home
  /** Stores and signs an image under a name; `change` may alter the manifest before it is written. */
  store(
    name: string,
    change?: (manifest: Manifest) => Manifest,
    signing?: SigningChoice,
  ): Promise<ImageFolder>
}

/** What files hold in place of a few words. */
export interface TestContents {
  /** A multiple of 4096 bytes. */
  readonly root?: Buffer
  readonly ruleset?: Buffer
  readonly texts?: ImageTexts
}

const BLOCKS = 300

export function openTestStore(contents: TestContents = {}): TestStore {
  const root = mkdtempSync(join(tmpdir(), "stereo-trust-"))
  const home = homeLayout(root)
  return {
    home,
    store: (name, change, signing) => storeImage(home, name, contents, change, signing),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

async function storeImage(
  home: Home,
  name: string,
  contents: TestContents,
  change: (manifest: Manifest) => Manifest = (same) => same,
  signing: SigningChoice = {},
): Promise<ImageFolder> {
  const making = join(home.images, "by-digest", "making")
  mkdirSync(making, { recursive: true })
  const manifest = change(writeFiles(making, name, contents))
  const text = stringify(manifest)
  writeFileSync(join(making, "manifest.toml"), text)
  const digest = createHash("sha256").update(text).digest("hex")
  await signFolder(home, making, (same) => same, signing)
  const dir = join(home.images, "by-digest", digest)
  rmSync(dir, { recursive: true, force: true })
  renameSync(making, dir)
  const link = join(home.images, "by-name", name)
  mkdirSync(join(home.images, "by-name"), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(join("..", "by-digest", digest), link)
  return { dir, digest, manifest }
}

/** Signs what lies in a folder by the home's key, as the builder would; `change` may alter what is said of it. */
export async function signFolder(
  home: Home,
  dir: string,
  change: (statement: ProvenanceStatement) => ProvenanceStatement = (same) => same,
  signing: SigningChoice = {},
): Promise<void> {
  const manifestText = readFileSync(join(dir, "manifest.toml"), "utf8")
  const statement = renderStatement({
    manifest: manifestShape.parse(parse(manifestText)),
    manifestText,
    archs: new Map(),
    definitions: {},
    toolsSha256: "0".repeat(64),
    revision: { commit: "1".repeat(40), dirty: false },
    version: { stereo: "0.1.0" },
    invocationId: "test",
    startedOn: "2026-11-25T06:00:00Z",
    finishedOn: "2026-11-25T06:00:01Z",
  })
  const signer = await openSigner(home, signing, new AbortController().signal)
  const { keyless } = signing
  const request = { statement: change(statement), signer, dir }
  await signProvenance(keyless === undefined ? request : { ...request, keyless })
}

function writeFiles(dir: string, name: string, contents: TestContents): Manifest {
  const data = contents.root ?? Buffer.alloc(BLOCKS * 4096, `blocks of ${name}`)
  const blocks = data.length / 4096
  const salt = "ab".repeat(32)
  const hasher = openRootHasher({ root_hash: "", salt, data_blocks: blocks, block_size_bytes: 4096 })
  hasher.add(data)
  const rootHash = hasher.digest() ?? ""
  const file = (fileName: string, bytes: string | Buffer) => {
    writeFileSync(join(dir, fileName), bytes)
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    return { name: fileName, sha256, size_bytes: Buffer.byteLength(bytes) }
  }
  const texts = contents.texts ?? renderImageTexts(name)
  const files = {
    kernel: file("vmlinux", "a kernel"),
    initramfs: file("initramfs.cpio.zst", "an initramfs"),
    root: file("root.verity", Buffer.concat([data, Buffer.from("the hash tree")])),
    stub: file("linuxx64.efi.stub", "a stub"),
    os_release: file("os-release", "ID=debian\n"),
    firewall: file("firewall.nft", "table inet stereo {}\n"),
    ruleset: file("ruleset.json", contents.ruleset ?? '{"nftables": []}\n'),
    units: file("units.json", "[]\n"),
    inventory: file("inventory.json", texts.inventory),
    lock: file("lock.toml", "schema = 1\n"),
    tools_lock: file("tools-lock.toml", "schema = 1\n"),
    spdx: file("sbom.spdx.json", texts.spdx),
    cyclonedx: file("sbom.cdx.json", texts.cyclonedx),
  }
  return {
    schema: 1,
    name,
    profile: "strict",
    arch: "x86_64",
    plan: "7".repeat(64),
    files,
    measurements: { ruleset_sha256: files.ruleset.sha256, units_sha256: files.units.sha256 },
    verity: { root_hash: rootHash, salt, data_blocks: blocks, block_size_bytes: 4096 },
    kernel: {
      version: "6.12",
      vmlinux_sha256: "0".repeat(64),
      command_line: `quiet stereo.root=${rootHash}:${salt}:${blocks}`,
    },
    uefi: {
      uki_sha256: "8".repeat(64),
      authenticode_sha256: "9".repeat(64),
      pcrs: { sha256: {} },
      pcrs_secure_boot_off: { sha256: {} },
    },
    resources: { cpus: 1, memory_mib: 256, disk_mib: 16 },
    egress: { sets: [] },
    env: {},
    packages: [],
  }
}
