import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { zstdDecompressSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { authenticodeSha256, readPeSections } from "../../builder/artifact/pe-file.ts"
import { EXPORT_FORMATS } from "../../contract/export-format.ts"
import { type Manifest, manifest as manifestShape } from "../../contract/manifest.ts"
import { parseToml } from "../../contract/toml.ts"
import { openOtherSurroundings } from "../repro/other-surroundings.ts"
import { openTestHome, projectDir, sharedHome, type TestHome } from "./test-home.ts"
import { toolsCommand } from "./uefi-machine.ts"

const diskReport = z.looseObject({
  path: z.string(),
  sha256: z.string(),
  sizeBytes: z.int(),
  signed: z.literal(false),
})
const layoutReport = z.looseObject({ path: z.string(), digest: z.string(), sizeBytes: z.int() })
const ESP_OFFSET = 1_048_576
/** A folder as an OCI layout, and every format that is a single file. */
const FORMATS = ["oci", ...EXPORT_FORMATS]

interface OciLayer {
  readonly mediaType: string
  readonly digest: string
  readonly annotations: Readonly<Record<string, string>>
}

let home: TestHome
let dir: string
let imageDir: string
let manifest: Manifest

beforeAll(async () => {
  home = openTestHome("")
  dir = mkdtempSync(join(tmpdir(), "stereo-export-"))
  imageDir = realpathSync(join(home.root, "images/by-name/base"))
  const text = readFileSync(join(imageDir, "manifest.toml"), "utf8")
  manifest = parseToml({ text, file: "manifest.toml", stage: "test" }, manifestShape)
  for (const format of FORMATS) await home.must(exportTo(format, `base.${format}`))
  for (const name of ["db", "other"]) {
    tool([
      ...["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "3650"],
      ...["-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`],
    ])
  }
})
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true })
  await home[Symbol.asyncDispose]()
})

describe("an exported image", () => {
  it("has the same bytes each time: another folder, user, umask, time zone, language and year, on one processor", async () => {
    using elsewhere = await openOtherSurroundings(
      Object.fromEntries(["images", "tools", "keys"].map((name) => [name, join(sharedHome, name)])),
    )
    const onOne = (words: readonly string[]) => elsewhere.run(["taskset", "-c", "0", ...words])
    // the surroundings are what they are said to be
    const facts = await onOne(["sh", "-c", "id -u; umask; date +%z; nproc"])
    expect(facts.stdout).toBe("4242\n0077\n+1345\n1\n")
    const day = await onOne(["bwrap", ...toolsCommand(dir, ["date", "+%F"])])
    expect(day).toEqual({ code: 0, stdout: "2031-03-30\n" })
    for (const format of FORMATS) {
      const args = [...exportTo(format, `again.${format}`), "--json"]
      const { code, stdout } = await onOne([join(elsewhere.project, "stereo"), ...args])
      expect(code, format).toBe(0)
      const again = digestsOf(`again.${format}`)
      expect(again, format).toEqual(digestsOf(`base.${format}`))
      if (format === "oci") {
        const { digest } = layoutReport.parse(JSON.parse(stdout))
        expect(again).toContain(`blobs/sha256/${digest.slice(7)} ${digest.slice(7)}`)
      } else expect(again).toEqual([` ${diskReport.parse(JSON.parse(stdout)).sha256}`])
      rmSync(join(dir, `again.${format}`), { recursive: true })
    }
  })

  it("is as an OCI layout its own files, unpacked and under their names", () => {
    const blob = (digest: string) => readFileSync(join(dir, "base.oci/blobs", digest.replace(":", "/")))
    const index = JSON.parse(readFileSync(join(dir, "base.oci/index.json"), "utf8"))
    const { config, layers } = JSON.parse(blob(index.manifests[0].digest).toString())
    expect(blob(config.digest)).toEqual(readFileSync(join(imageDir, "manifest.toml")))
    const titles = layers.map((layer: OciLayer) => {
      const name = layer.annotations["org.opencontainers.image.title"] ?? ""
      const bytes = blob(layer.digest)
      const plain = layer.mediaType.endsWith("+zstd") ? zstdDecompressSync(bytes) : bytes
      expect(sha256Of(plain), name).toBe(sha256Of(readFileSync(join(imageDir, name))))
      return name
    })
    expect([...titles, "manifest.toml"].sort()).toEqual(readdirSync(imageDir).sort())
  })

  it("holds as a disk the program of `uki` in its first partition, and the root's own bytes in its second", () => {
    const disk = readFileSync(join(dir, "base.raw"))
    const entry = disk.subarray(1024 + 128, 1024 + 256)
    const offset = 512 * Number(entry.readBigUInt64LE(32))
    const root = disk.subarray(offset, offset + manifest.files.root.size_bytes)
    expect(sha256Of(root)).toBe(manifest.files.root.sha256)
    expect(512 * Number(entry.readBigUInt64LE(40)) + 512).toBe(offset + root.length)
    expect(entry.toString("utf16le", 56, 128).replace(/\0+$/, "")).toBe(
      manifest.verity.root_hash.slice(0, 32),
    )
    tool(["mcopy", "-i", `base.raw@@${ESP_OFFSET}`, "::/EFI/BOOT/BOOTX64.EFI", "inside.efi"])
    expect(sha256Of(readFileSync(join(dir, "inside.efi")))).toBe(
      sha256Of(readFileSync(join(dir, "base.uki"))),
    )
    tool(["fsck.vfat", "-n", "-v", "--", "esp.img"], () => {
      writeFileSync(join(dir, "esp.img"), disk.subarray(ESP_OFFSET, offset))
    })
  })

  it("is the same disk in each packing", () => {
    tool(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", "base.raw", "base.qcow2"])
    for (const format of ["raw", "qcow2"]) {
      tool(["zstd", "-q", "-d", `base.${format}.zst`, "-o", `unpacked.${format}`])
      const [unpacked, plain] = [`unpacked.${format}`, `base.${format}`].map((name) =>
        sha256Of(readFileSync(join(dir, name))),
      )
      expect(unpacked).toBe(plain)
    }
  })

  it("is what its manifest foretells, as systemd's own tool computes it", () => {
    const uki = readFileSync(join(dir, "base.uki"))
    expect(sha256Of(uki)).toBe(manifest.uefi.uki_sha256)
    const measured = [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"]
    for (const { name, bytes } of readPeSections(uki)) {
      if (measured.includes(name)) writeFileSync(join(dir, `section${name}`), bytes)
    }
    const sections = measured.map((name) => `--${name.slice(1)}=section${name}`)
    const printed = tool([
      "/usr/lib/systemd/systemd-measure",
      "calculate",
      "--bank=sha256",
      "--phase=",
      ...sections,
    ])
    expect(printed).toContain(`11:sha256=${manifest.uefi.pcrs.sha256["11"]}`)
  })
})

describe("an export that is signed for Secure Boot", () => {
  it("verifies with its certificate and no other, over the hash that the manifest foretold", async () => {
    await home.must([...exportTo("uki", "signed.efi"), ...keys("db", "db")])
    expect(tool(["sbverify", "--cert", "db.crt", "signed.efi"])).toContain("Signature verification OK")
    expect(() => tool(["sbverify", "--cert", "other.crt", "signed.efi"])).toThrow("failed")
    const signed = readFileSync(join(dir, "signed.efi"))
    expect(authenticodeSha256(signed)).toBe(manifest.uefi.authenticode_sha256)
    // sbsign computed it by itself and put it into the signature
    const signature = signed.subarray(readFileSync(join(dir, "base.uki")).length)
    expect(signature.includes(Buffer.from(manifest.uefi.authenticode_sha256, "hex"))).toBe(true)
    await home.must([...exportTo("raw", "elsewhere.raw"), "--signed-uki", join(dir, "signed.efi")])
  })

  it.each([
    ["a certificate that is not the key's", () => keys("db", "other"), "export/not-signed"],
    ["a key without its certificate", () => keys("db", "db").slice(0, 2), "export/half-a-key"],
    ["a key that is not there", () => keys("none", "db"), "export/bad-input"],
    ["a program of something else", () => ["--signed-uki", join(dir, "strange.efi")], "export/other-uki"],
    ["a program that is none", () => ["--signed-uki", join(dir, "db.crt")], "artifact/not-a-pe"],
  ])("is refused with %s, and leaves nothing", async (_what, more, code) => {
    tool(["cp", "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "strange.efi"])
    const before = readdirSync(dir)
    const { code: exit, stderr } = await home.stereo([...exportTo("raw", "refused.raw"), ...more()])
    expect(exit).toBe(1)
    expect(stderr).toContain(code)
    expect(readdirSync(dir)).toEqual(before)
  })
})

describe("an export that fails", () => {
  it("leaves nothing when it is interrupted", async () => {
    const before = readdirSync(dir)
    const child = home.start(exportTo("qcow2", "cut.qcow2"))
    const ended = new Promise((settle) => child.once("exit", settle))
    while (child.exitCode === null && !readdirSync(dir).some((name) => name.startsWith(".cut.qcow2-")))
      await delay(20)
    child.kill("SIGINT")
    expect(await ended).toBe(130)
    expect(readdirSync(dir)).toEqual(before)
  })

  it("leaves nothing on a full disk, and says so", () => {
    const small = join(dir, "small")
    mkdirSync(small)
    const args = ["images", "export", "base", "--format", "raw", "-o", join(small, "base.raw")]
    const script = `mount -t tmpfs -o size=60m small ${small} && { "$@"; code=$?; ls -A ${small}; exit $code; }`
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      ["-m", "sh", "-c", script, "sh", join(projectDir, "stereo"), ...args],
      { env: { ...process.env, STEREO_HOME: home.root }, encoding: "utf8" },
    )
    expect(stderr).toContain("the disk is full")
    expect([status, stdout]).toEqual([1, ""])
  })

  it("does not write over what is there", async () => {
    const { stderr } = await home.stereo(exportTo("raw", "base.qcow2"))
    expect(stderr).toContain("export/bad-output")
  })

  it("refuses an image that was changed, before it makes anything of it", async () => {
    const broken = join(dir, "broken-images")
    const digest = imageDir.split("/").at(-1) ?? ""
    cpSync(imageDir, join(broken, "by-digest", digest), { recursive: true })
    const root = join(broken, "by-digest", digest, "root.verity")
    const bytes = readFileSync(root)
    bytes.writeUInt8(bytes.readUInt8(40_000) ^ 1, 40_000)
    writeFileSync(root, bytes)
    await using other = openTestHome("", mkdtempSync(join(dir, "home-")), ["tools", "cache"])
    spawnSync("cp", ["-a", join(home.root, "keys"), join(other.root, "keys")])
    spawnSync("ln", ["-s", broken, join(other.root, "images")])
    const { code, stderr } = await other.stereo([
      "images",
      "export",
      digest,
      "--format",
      "raw",
      "-o",
      join(dir, "x.raw"),
    ])
    expect(code).toBe(1)
    expect(stderr).toContain("image/not-verified")
    expect(readdirSync(dir)).not.toContain("x.raw")
  })
})

function exportTo(format: string, file: string): string[] {
  return ["images", "export", "base", "--format", format, "-o", join(dir, file)]
}

function keys(key: string, certificate: string): string[] {
  return ["--secure-boot-key", join(dir, `${key}.key`), "--secure-boot-cert", join(dir, `${certificate}.crt`)]
}

function tool(command: readonly string[], before: () => void = () => undefined): string {
  before()
  const { status, stdout, stderr } = spawnSync("bwrap", toolsCommand(dir, command), { encoding: "utf8" })
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stdout}${stderr} failed`)
  return stdout + stderr
}

/** Path and sha256 of each file of a folder; of a single file just that. */
function digestsOf(name: string): string[] {
  const path = join(dir, name)
  if (!statSync(path).isDirectory()) return [` ${sha256Of(readFileSync(path))}`]
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return files.map((file) => `${relative(path, file)} ${sha256Of(readFileSync(file))}`).sort()
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
