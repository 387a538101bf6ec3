import { spawn } from "node:child_process"
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { homeLayout, machineLayout } from "../../contract/home.ts"
import { readProcessRef } from "../../machine/process-ref.ts"
import { writeRecord } from "../../machine/record-store.ts"
import { makeRecord } from "../machine/host-stand-in.ts"
import { type CliHome, openCliHome } from "./run-stereo.ts"

const [ONE, TWO, OLD] = ["a1".repeat(32), "b2".repeat(32), "c3".repeat(32)]

/** `base` and `same` are one image, `coder` is another, and a third has no name any more. */
function openStore(): CliHome {
  const home = openCliHome()
  onTestFinished(() => home[Symbol.dispose]())
  mkdirSync(join(home.root, "images", "by-name"), { recursive: true })
  for (const digest of [ONE, TWO, OLD]) {
    mkdirSync(join(home.root, "images", "by-digest", digest), { recursive: true })
    writeFileSync(join(home.root, "images", "by-digest", digest, "root.verity"), "x".repeat(3 << 20))
  }
  for (const [name, digest] of Object.entries({ base: ONE, same: ONE, coder: TWO }))
    symlinkSync(join("..", "by-digest", digest), join(home.root, "images", "by-name", name))
  return home
}

const listed = ({ root }: CliHome, part: string) => readdirSync(join(root, "images", part)).sort()

describe("`stereo images rm`", () => {
  it("takes a name away, and the folder with the last of its names", async () => {
    const home = openStore()
    expect(await home.stereo("images", "rm", "base")).toMatchObject({
      code: 0,
      stdout: `removed base ${ONE.slice(0, 12)}: it has another name, and stays\n`,
    })
    expect(listed(home, "by-digest")).toEqual([ONE, TWO, OLD])
    const { stdout } = await home.stereo("images", "rm", "same", "b2b2b2", "--json")
    expect(JSON.parse(stdout)).toEqual([
      { names: ["same"], digest: ONE, freedBytes: 3 << 20 },
      { names: ["coder"], digest: TWO, freedBytes: 3 << 20 },
    ])
    expect([listed(home, "by-name"), listed(home, "by-digest")]).toEqual([[], [OLD]])
  })

  it("removes what no name points at, where that is asked for", async () => {
    const home = openStore()
    const { stdout } = await home.stereo("images", "rm", "--unnamed")
    expect(stdout).toBe(`removed (unnamed) ${OLD.slice(0, 12)}: 3.0 MiB freed\n`)
    expect(listed(home, "by-digest")).toEqual([ONE, TWO])
    const again = openStore()
    expect((await again.stereo("images", "rm", "c3c3c3")).stdout).toBe(stdout)
  })

  it("leaves all of them when one is used or unknown", async () => {
    const home = openStore()
    const layout = homeLayout(home.root)
    const child = spawn("sleep", ["60"])
    onTestFinished(() => void child.kill("SIGKILL"))
    const { image, ...record } = makeRecord({ qemu: readProcessRef(child.pid ?? 0) })
    mkdirSync(machineLayout(layout, record.name).dir, { recursive: true })
    await writeRecord(layout, { ...record, image: { ...image, dir: join(layout.images, "by-digest", TWO) } })
    const used = await home.stereo("images", "rm", "base", "coder")
    expect(used.code).toBe(1)
    expect(used.stderr).toContain("image/in-use: image coder stays: demo runs from it")
    expect(used.stderr).toContain("stereo rm -f demo")
    const unknown = await home.stereo("images", "rm", "base", "codre")
    expect(unknown.stderr).toContain('image/not-built: there is no built image "codre"')
    expect(listed(home, "by-name")).toEqual(["base", "coder", "same"])
  })

  it("keeps an image without a name that a machine runs from, and takes no name for a path", async () => {
    const home = openStore()
    const layout = homeLayout(home.root)
    symlinkSync("..", join(layout.images, "by-name", "up"))
    expect(await home.stereo("images", "rm", "up")).toMatchObject({ code: 0 })
    const child = spawn("sleep", ["60"])
    onTestFinished(() => void child.kill("SIGKILL"))
    const { image, ...record } = makeRecord({ qemu: readProcessRef(child.pid ?? 0) })
    mkdirSync(machineLayout(layout, record.name).dir, { recursive: true })
    await writeRecord(layout, { ...record, image: { ...image, dir: join(layout.images, "by-digest", OLD) } })
    expect(await home.stereo("images", "rm", "--unnamed")).toMatchObject({ code: 0, stdout: "" })
    expect([listed(home, "by-name"), listed(home, "by-digest")]).toEqual([
      ["base", "coder", "same"],
      [ONE, TWO, OLD],
    ])
  })

  it("wants to know which", async () => {
    const { code, stderr } = await openStore().stereo("images", "rm")
    expect(code).toBe(64)
    expect(stderr).toContain("expected an image, or --unnamed")
  })
})
