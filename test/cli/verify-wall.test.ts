import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { stringify } from "smol-toml"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { manifest as manifestShape } from "../../contract/manifest.ts"
import { type CliHome, openCliHome } from "./run-stereo.ts"

const SMALL_WALL = readFileSync(join(import.meta.dirname, "../golden/review/small-wall.json"), "utf8")

let home: CliHome
beforeEach(() => {
  home = openCliHome()
})
afterEach(() => home[Symbol.dispose]())

/** An image of which only the manifest and the listing are real; nothing else of it is read here. */
function storeImage(ruleset: string): void {
  const digest = "a".repeat(64)
  const dir = join(home.root, "images", "by-digest", digest)
  mkdirSync(dir, { recursive: true })
  mkdirSync(join(home.root, "images", "by-name"))
  symlinkSync(`../by-digest/${digest}`, join(home.root, "images", "by-name", "walled"))
  const part = (name: string) => ({ name, sha256: "0".repeat(64), size_bytes: 2 })
  const manifest = {
    ...{ schema: 1, name: "walled", profile: "strict", arch: "x86_64", plan: "0".repeat(64) },
    files: {
      ...Object.fromEntries(Object.keys(manifestShape.shape.files.shape).map((name) => [name, part(name)])),
      ...{ firewall: part("firewall.nft"), ruleset: part("ruleset.json") },
    },
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
    egress: { sets: [] },
    env: {},
    packages: [],
  }
  writeFileSync(join(dir, "manifest.toml"), stringify(manifest))
  writeFileSync(join(dir, "firewall.nft"), "")
  writeFileSync(join(dir, "ruleset.json"), ruleset)
}

describe("stereo egress verify", () => {
  it("exits with 0 for a wall that keeps its promise, and says what leaves", async () => {
    storeImage(SMALL_WALL)
    const { code, stdout } = await home.stereo("egress", "verify", "walled")
    expect(stdout).toMatch(/^walled: proven\n/)
    expect(stdout).toContain("inet stereo output (filter, priority 0, policy drop)")
    expect(stdout).toContain("  IPv4 TCP, to 10.0.2.100 port 3128, by uid 990, out by eth0")
    expect(code).toBe(0)
  })

  it("exits with 2 for one that lets something through, with the packet and its way", async () => {
    storeImage(
      SMALL_WALL.replace('"skuid" } }, "right": 990', '"skuid" } }, "right": { "range": [990, 991] }'),
    )
    const { code, stdout } = await home.stereo("egress", "verify", "walled", "--json")
    expect(code).toBe(2)
    const { verdict, breaches } = JSON.parse(stdout)
    expect(verdict).toBe("broken")
    expect(breaches[0]).toMatchObject({ promise: "leaves", packet: expect.stringContaining("by uid 991") })
    expect(breaches[0].path[0]).toContain("inet stereo output rule 1")
  })

  it("exits with 3 for one that it does not understand, and says where", async () => {
    storeImage(SMALL_WALL.replace('"expr": [', '"expr": [{ "limit": { "rate": 1, "per": "second" } },'))
    const { code, stdout } = await home.stereo("egress", "verify", "walled")
    expect(code).toBe(3)
    expect(stdout).toMatch(/^walled: not proven\n/)
    expect(stdout).toMatch(/inet stereo gateway rule 1: limit rate 1/)
  })

  it("exits with 1 where no kernel has loaded a ruleset, and for what is no listing", async () => {
    const unbuilt = await home.stereo("egress", "verify", "coder")
    expect(unbuilt).toMatchObject({ code: 1, stderr: expect.stringMatching(/^stereo: review\/no-ruleset: /) })
    storeImage('{"nftables": 7}')
    const broken = await home.stereo("egress", "verify", "walled")
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/^stereo: review\/bad-ruleset: /) })
  })
})
