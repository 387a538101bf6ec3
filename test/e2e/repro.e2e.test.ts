import { existsSync, readdirSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type OtherSurroundings, openOtherSurroundings } from "../repro/other-surroundings.ts"
import { openTestHome, sharedHome } from "./test-home.ts"

const share = {
  images: join(sharedHome, "images"),
  tools: join(sharedHome, "tools"),
  "cache/store": join(sharedHome, "cache", "store"),
}

describe("an image is the same bytes", () => {
  it("when it is built again with other folders, host name, user, umask, time zone, language and clock, and with the network cut", async () => {
    using elsewhere = await openOtherSurroundings(share)
    // the surroundings are what they are said to be
    const tools = realpathSync(join(sharedHome, "tools", "current"))
    const facts = await elsewhere.run(["sh", "-c", "hostname; id -u; umask; date +%z; echo $HOME"])
    expect(facts.stdout).toMatch(/^elsewhere\n4242\n0077\n\+1345\n.*stereo elsewhere-/)
    await expectNoNetwork(elsewhere)
    const folders = [
      "--ro-bind",
      join(tools, "usr"),
      "/usr",
      "--symlink",
      "usr/lib64",
      "/lib64",
      "--clearenv",
    ]
    const inside = ["--unshare-all", ...folders, "--symlink", "usr/lib", "/lib", "--", "/usr/bin/date", "+%F"]
    expect(await elsewhere.run(["bwrap", ...inside])).toEqual({ code: 0, stdout: "2031-03-30\n" })

    const { code, stdout } = await elsewhere.stereo(["images", "rebuild", "base", "--offline", "--json"])
    const report = JSON.parse(stdout) as { files: { name: string; same: boolean; differences: string[] }[] }
    expect(report.files.filter(({ same }) => !same)).toEqual([])
    expect(report).toMatchObject({ same: true, keptDir: null })
    expect(report.files.length).toBeGreaterThan(9)
    expect(code).toBe(0)
    // nothing of it stays
    expect(readdirSync(join(elsewhere.home, "cache", "rebuild"))).toEqual([])
  })

  it("is refused where the definitions are others than those that it was built from", async () => {
    using elsewhere = await openOtherSurroundings(share)
    await elsewhere.run([
      "sh",
      "-c",
      'echo "# more" >> "$1"',
      "sh",
      join(elsewhere.project, "images/base/files/etc/hosts"),
    ])
    const rebuild = [join(elsewhere.project, "stereo"), "images", "rebuild", "base", "--offline"]
    const { code, stdout } = await elsewhere.run(["sh", "-c", 'exec "$@" 2>&1', "sh", ...rebuild])
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^stereo: rebuild\/other-plan: image base is of plan [0-9a-f]{64}; .* here give [0-9a-f]{64}\n/,
    )
    // which checkout has them, as far as the image's provenance says
    expect(stdout).toMatch(/\n {2}hint: .*(?:git worktree add|use the checkout)/)
    // nothing was built to find that out
    expect(existsSync(join(elsewhere.home, "cache", "rebuild"))).toBe(false)
  })
})

describe("stereo lock", () => {
  it("says that the project's locks fit, and asks nobody for it", async () => {
    await using home = openTestHome("")
    const environment = { STEREO_DEBIAN_MIRROR: "http://127.0.0.1:9/debian" }
    const { stdout } = await home.must(["lock", "--check"], { environment })
    expect(stdout).toContain("images/base/lock.toml is as it should be")
  })
})

/** No interface but loopback, no route, and nobody to be reached, not even on this host. */
async function expectNoNetwork(elsewhere: OtherSurroundings): Promise<void> {
  const list = "tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/net/route"
  expect((await elsewhere.run(["sh", "-c", list])).stdout.trim()).toBe("lo")
  const connect = `for (const host of ["192.0.2.1", "127.0.0.1"])
    net.connect(443, host).on("error", ({ code }) => console.log(code))`
  expect((await elsewhere.run(["node", "-e", connect])).stdout).toBe("ENETUNREACH\nENETUNREACH\n")
}
