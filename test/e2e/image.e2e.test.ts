import { spawnSync } from "node:child_process"
import {
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeSync,
} from "node:fs"
import { basename, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { homeLayout, machineLayout } from "../../contract/home.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

let home: TestHome

beforeAll(() => {
  home = openTestHome("")
})
afterAll(() => home[Symbol.asyncDispose]())

describe("a machine whose image was tampered with", () => {
  it("does not become ready, and says at which stage, with its console kept", async () => {
    plantDamagedImage()
    const { code, stderr } = await home.stereo(["up", "--image", "base", "--name", "bad"])
    expect(code).toBe(1)
    expect(stderr).toContain("machine/not-ready")
    expect(stderr).toMatch(/stopped at stage (kernel|initramfs|systemd)/)
    const layout = machineLayout(homeLayout(home.root), "bad")
    expect(stderr).toContain(layout.console)
    expect(readFileSync(layout.console, "utf8")).toMatch(/verity|corrupt|panic/i)
    expect(await home.json(["ls"])).toMatchObject([{ name: "bad", state: "failed" }])
    await home.must(["rm", "bad"])
  })
})

/** The base image, as signed but with every 64th block of its root overwritten, in a store of its own. */
function plantDamagedImage(): void {
  const base = realpathSync(join(home.root, "images", "by-name", "base"))
  const images = join(home.root, "own-images")
  const dir = join(images, "by-digest", basename(base))
  mkdirSync(dir, { recursive: true })
  for (const file of readdirSync(base)) cpSync(join(base, file), join(dir, file))
  const root = openSync(join(dir, "root.verity"), "r+")
  const blocks = Math.floor(statSync(join(dir, "root.verity")).size / 4096)
  for (let block = 1; block < blocks; block += 64)
    writeSync(root, Buffer.alloc(36, 0xff), 0, 36, block * 4096)
  mkdirSync(join(images, "by-name"), { recursive: true })
  symlinkSync(join("..", "by-digest", basename(base)), join(images, "by-name", "base"))
  spawnSync("ln", ["-sfn", images, join(home.root, "images")])
}
