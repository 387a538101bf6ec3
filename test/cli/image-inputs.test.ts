import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openTestStore, type TestStore } from "../trust/image-folder.ts"
import { stereoIn } from "./run-stereo.ts"

let store: TestStore

beforeAll(async () => {
  store = openTestStore()
  await store.store("base")
})
afterAll(() => store[Symbol.dispose]())

describe("a command of images", () => {
  it("says how to make the tools tree that a comparison reads with", async () => {
    const ran = await stereoIn(store.home.root, ["images", "diff", "base", "base"])
    expect(ran).toMatchObject({ code: 1, stdout: "" })
    expect(ran.stderr).toContain("image/no-tools: there is no tools tree at")
    expect(ran.stderr).toContain("stereo setup")
  })

  it("renders nothing for Packer of a disk that is none", async () => {
    const disk = join(store.home.root, "base.qcow2")
    writeFileSync(disk, Buffer.alloc(4096, "QFI"))
    const out = join(store.home.root, "pipeline")
    const ran = await stereoIn(store.home.root, ["packer", "base", "--disk", disk, "-o", out])
    expect(ran).toMatchObject({ code: 1, stdout: "" })
    expect(ran.stderr).toContain(`packer/no-disk: ${disk} is not a raw disk: it has no partition table (GPT)`)
    expect(existsSync(out)).toBe(false)
  })
})
