import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { execa } from "execa"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { stereoIn } from "../../cli/run-stereo.ts"
import { type DockerRegistry, openDockerRegistry } from "../../fakes/registry/docker-registry.ts"
import { type FaultyProxy, openFaultyProxy } from "../../fakes/registry/faulty-proxy.ts"
import { projectDir } from "../../rules/sources.ts"
import { type Lab, openLab } from "./registry-lab.ts"

let registry: DockerRegistry
let proxy: FaultyProxy
let lab: Lab
beforeAll(async () => {
  registry = await openDockerRegistry()
  proxy = await openFaultyProxy(registry.host)
  lab = await openLab()
}, 300_000)
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})
beforeEach(() => {
  proxy.mishap = () => null
  rmSync(lab.to.home.images, { recursive: true, force: true })
})

const from = (...args: string[]) => stereoIn(lab.from.home.root, args)
const to = (...args: string[]) => stereoIn(lab.to.home.root, args)

async function pushed(repository: string): Promise<string> {
  const ran = await from("push", "base", `${registry.host}/${repository}:1`, "--json")
  expect(ran.stderr).toBe("")
  return JSON.parse(ran.stdout).digest as string // as `push` prints it
}

describe("push and pull on the command line", () => {
  it("the printed line pulls the image into another home, where it verifies under its name", async () => {
    const push = await from("push", "base", `${registry.host}/line:1`)
    const words = /^pull it with: stereo (.+)$/m.exec(push.stdout)?.[1]?.split(" ") ?? []
    const pull = await to(...words, "--json")
    expect(JSON.parse(pull.stdout)).toMatchObject({
      name: "base",
      digest: lab.image.digest,
      pinned: words[1],
    })
    expect(await to("images", "verify", "base")).toMatchObject({ code: 0 })
    expect(JSON.parse((await to("images", "ls", "--json")).stdout)).toHaveLength(1)
  })

  it("a tag alone is refused without asking anybody, and with --allow-tag the digest to pin is said", async () => {
    const digest = await pushed("tag")
    const before = registry.requests().length
    const refused = await to("pull", `${registry.host}/tag:1`)
    expect([refused.code, refused.stderr.split(":")[1]]).toEqual([1, " pull/not-pinned"])
    expect(registry.requests().length).toBe(before)
    const pulled = await to("pull", `${registry.host}/tag:1`, "--allow-tag")
    expect(pulled.stdout).toContain(`pinned: ${registry.host}/tag:1@${digest}\n`)
  })

  it("a name that it was not signed under is refused, and none is given with --nameless", async () => {
    const digest = await pushed("names")
    const other = await to("pull", `${registry.host}/names@${digest}`, "--as", "coder")
    expect(other.stderr).toContain("pull/other-name")
    expect(lab.pulled()).toEqual({ images: [], hidden: [] })
    expect((await to("pull", `${registry.host}/names@${digest}`, "--nameless")).code).toBe(0)
    expect((await to("images", "ls", "--json")).stdout.trim()).toBe("[]")
    expect(await to("images", "verify", lab.image.digest)).toMatchObject({ code: 0 })
  })

  it("what is here already is not fetched again", async () => {
    const digest = await pushed("again")
    await to("pull", `${registry.host}/again@${digest}`)
    const report = await to("pull", `${registry.host}/again@${digest}`, "--json")
    const { files } = JSON.parse(report.stdout) as { files: { receivedBytes: number }[] } // as `pull` prints it
    expect(files.map(({ receivedBytes }) => receivedBytes)).toEqual(files.map(() => 0))
    expect(lab.pulled()).toEqual({ images: [lab.image.digest], hidden: [] })
  })

  it.each([
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const)("%s in the middle of a blob leaves no image, and the next pull goes on", async (name, code) => {
    const digest = await pushed("ended")
    const root = lab.image.manifest.files.root
    const isRoot = ({ method, path }: { method: string; path: string }) =>
      method === "GET" && path.includes(root.sha256)
    proxy.mishap = (passed) => (isRoot(passed) ? { kind: "stall-answer", afterBytes: 6 << 20 } : null)
    const env = { ...process.env, STEREO_HOME: lab.to.home.root }
    const reference = `${proxy.host}/ended@${digest}`
    const child = spawn(join(projectDir, "stereo"), ["pull", reference], { env, stdio: "ignore" })
    const part = join(lab.to.home.images, "by-digest", `.pulling-${digest.slice(7)}`, "root.verity.part")
    await expect.poll(() => (existsSync(part) ? statSync(part).size : 0), { timeout: 30_000 }).toBe(6 << 20)
    child.kill(name)
    const [ended] = (await once(child, "close")) as [number | null]
    expect(ended).toBe(code)
    expect(lab.pulled()).toMatchObject({ images: [] })
    expect(existsSync(join(lab.to.home.images, "by-name"))).toBe(false)
    proxy.mishap = () => null
    const report = await to("pull", reference, "--json")
    const { files } = JSON.parse(report.stdout) as { files: { name: string; resumedAt: number }[] } // as `pull` prints it
    expect(files.find((one) => one.name === "root.verity")?.resumedAt).toBe(6 << 20)
    expect(lab.pulled()).toEqual({ images: [lab.image.digest], hidden: [] })
  })

  it("two pulls of one image at once end with one image", async () => {
    const digest = await pushed("twice")
    const both = await Promise.all([1, 2].map(() => to("pull", `${registry.host}/twice@${digest}`)))
    expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ""],
      [0, ""],
    ])
    expect(lab.pulled()).toEqual({ images: [lab.image.digest], hidden: [] })
  })

  it("a disk that is too small is said before the image is fetched", async () => {
    const digest = await pushed("small")
    const before = registry.requests().length
    const home = join(lab.to.home.root, "small")
    mkdirSync(home)
    const disk = ["--dev-bind", "/", "/", "--size", String(40 << 20), "--tmpfs", home]
    const keys = ["--ro-bind", join(lab.to.home.root, "keys"), join(home, "keys")]
    const ran = await execa(
      "bwrap",
      [...disk, ...keys, "--", join(projectDir, "stereo"), "pull", `${registry.host}/small@${digest}`],
      { reject: false, env: { STEREO_HOME: home } },
    )
    expect(ran.stderr).toContain("pull/disk-full: the image needs")
    expect(
      registry
        .requests()
        .slice(before)
        .some((line) => line.includes(lab.image.manifest.files.root.sha256)),
    ).toBe(false)
  })

  it("an image that is not verified does not leave the host", async () => {
    await using other = await openLab()
    rmSync(join(other.image.dir, "provenance.dsse.json"))
    const before = registry.requests().length
    const ran = await stereoIn(other.from.home.root, ["push", "base", `${registry.host}/unsigned:1`])
    expect(ran.stderr).toContain("image/not-verified")
    expect(registry.requests().length).toBe(before)
    expect(readdirSync(other.from.home.root)).not.toContain("cache")
  })
})
