import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { RebuildReport } from "../../builder/rebuild.ts"
import { type DockerRegistry, openDockerRegistry } from "../fakes/registry/docker-registry.ts"
import { openTestHome, sharedHome, type TestHome } from "./test-home.ts"

let registry: DockerRegistry
let from: TestHome
let to: TestHome
beforeAll(async () => {
  registry = await openDockerRegistry()
  from = openTestHome("")
  // of this home nothing is shared but the tools that start a machine: its images come from the registry
  to = openTestHome("", undefined, ["tools"])
})
afterAll(async () => {
  await to[Symbol.asyncDispose]()
  await from[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

describe("an image from a registry", () => {
  it("starts a machine on a host that did not build it, once its key is trusted there", async () => {
    const { pinned } = (await from.json(["push", "base", `${registry.host}/base:1`])) as { pinned: string } // as `push` prints it
    const stranger = await to.stereo(["pull", pinned])
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining("pull/not-verified")])
    const { stdout: key } = await from.must(["keys", "show", "own"])
    writeFileSync(join(to.root, "builder.pub"), key)
    await to.must(["keys", "trust", join(to.root, "builder.pub")])
    await to.must(["pull", pinned])
    const ran = await to.stereo(["run", "--image", "base", "--", "cat", "/etc/os-release"])
    expect(ran.stdout).toContain("ID=debian")
    expect(ran.code).toBe(0)
  })

  it("is built again there to the same bytes, and of a file that was changed meanwhile it is shown in what", async () => {
    const { digest, dir } = (await to.json(["images", "show", "base"])) as { digest: string; dir: string }
    // the packages, which anybody has from Debian; nothing of the host that built it
    mkdirSync(join(to.root, "cache"), { recursive: true })
    symlinkSync(join(sharedHome, "cache", "store"), join(to.root, "cache", "store"))
    appendFileSync(join(dir, "firewall.nft"), "# opened by hand\n")
    const ran = await to.stereo(["images", "rebuild", "base", "--offline", "--json"], { timeoutMs: 800_000 })
    expect(ran.code, ran.stderr).toBe(2)
    const report = JSON.parse(ran.stdout) as RebuildReport
    // the manifest, which names every file by its hash, is the one that was signed elsewhere
    expect(report).toMatchObject({ digest, rebuiltDigest: digest, keptDir: expect.any(String) })
    const [changed, ...more] = report.files.filter(({ same }) => !same)
    expect([changed?.name, more]).toEqual(["firewall.nft", []])
    expect(changed?.differences).toContain(
      `changed since it was built: the image's manifest names sha256 ${changed?.sha256.after}`,
    )
    if (report.lacking === null) expect(changed?.differences).toContain("-# opened by hand")
  })
})
