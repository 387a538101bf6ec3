import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openBuildLock } from "../../builder/build-lock.ts"
import { cachedStage, stageKey } from "../../builder/stage-cache.ts"
import { openFolder } from "./project-folder.ts"

const KEY = "a".repeat(64)

describe("cachedStage", () => {
  it("makes a result once", async () => {
    using folder = openFolder()
    let made = 0
    const make = async (dir: string) => {
      made += 1
      writeFileSync(join(dir, "result"), "r")
    }
    const first = await cachedStage({ stageDir: folder.dir, key: KEY, make })
    const second = await cachedStage({ stageDir: folder.dir, key: KEY, make })
    expect([first.cached, second.cached, made]).toEqual([false, true, 1])
    expect(readFileSync(join(second.dir, "result"), "utf8")).toBe("r")
  })

  it("leaves nothing of a stage that fails, and makes it again next time", async () => {
    using folder = openFolder()
    const broken = async (dir: string) => {
      writeFileSync(join(dir, "half"), "h")
      throw new Error("no space left on device")
    }
    await expect(cachedStage({ stageDir: folder.dir, key: KEY, make: broken })).rejects.toThrow(
      "no space left",
    )
    expect(readdirSync(folder.dir)).toEqual([])
    const made = await cachedStage({ stageDir: folder.dir, key: KEY, make: async () => undefined })
    expect(made.cached).toBe(false)
  })

  it("makes a result again when asked, and keeps the old one when that fails", async () => {
    using folder = openFolder()
    const stage = { stageDir: folder.dir, key: KEY }
    const write = (text: string) => async (dir: string) => writeFileSync(join(dir, "result"), text)
    const { dir } = await cachedStage({ ...stage, make: write("old") })
    const broken = () => Promise.reject(new Error("the archive does not answer"))
    await expect(cachedStage({ ...stage, again: true, make: broken })).rejects.toThrow("does not answer")
    expect(readFileSync(join(dir, "result"), "utf8")).toBe("old")
    await cachedStage({ ...stage, again: true, make: write("new") })
    expect(readFileSync(join(dir, "result"), "utf8")).toBe("new")
  })

  it("removes what a killed build left half done", async () => {
    using folder = openFolder({ ".making-dead/half": "h" })
    await cachedStage({ stageDir: folder.dir, key: KEY, make: async () => undefined })
    expect(readdirSync(folder.dir)).toEqual([KEY])
  })

  it("keeps the results used last and removes the oldest", async () => {
    using folder = openFolder()
    const use = (index: number) =>
      cachedStage({
        stageDir: folder.dir,
        key: index.toString(16).padStart(64, "0"),
        make: async () => undefined,
      })
    for (let index = 0; index < 6; index += 1) await use(index)
    await use(0)
    for (let index = 6; index < 11; index += 1) await use(index)
    const left = readdirSync(folder.dir).map((name) => Number.parseInt(name, 16))
    expect(left).toHaveLength(6)
    expect(left).toContain(0)
    expect(left).not.toContain(1)
  })
})

describe("stageKey", () => {
  it("does not depend on the order of keys, but on every value", () => {
    expect(stageKey({ a: 1, b: { c: 2, d: 3 } })).toBe(stageKey({ b: { d: 3, c: 2 }, a: 1 }))
    expect(stageKey({ a: [1, 2] })).not.toBe(stageKey({ a: [2, 1] }))
  })
})

describe("openBuildLock", () => {
  it("makes a second build wait, also by another path to the same folder", async () => {
    using folder = openFolder()
    mkdirSync(join(folder.dir, "cache"))
    symlinkSync("cache", join(folder.dir, "alias"))
    const first = await openBuildLock(join(folder.dir, "cache"), () => undefined, AbortSignal.timeout(10_000))
    const waited: string[] = []
    const second = openBuildLock(
      join(folder.dir, "alias"),
      (who) => waited.push(who),
      AbortSignal.timeout(10_000),
    )
    while (waited.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(waited[0]).toBe(`process ${process.pid}`)
    await first[Symbol.asyncDispose]()
    await (await second)[Symbol.asyncDispose]()
  })

  it("is free again as soon as its holder was killed", async () => {
    using folder = openFolder()
    const script = join(import.meta.dirname, "hold-lock.ts")
    const holder = spawn(process.execPath, [script, folder.dir], { stdio: ["ignore", "pipe", "inherit"] })
    await once(holder.stdout, "data")
    holder.kill("SIGKILL")
    await once(holder, "close")
    const lock = await openBuildLock(folder.dir, () => undefined, AbortSignal.timeout(10_000))
    expect(existsSync(folder.dir)).toBe(true)
    await lock[Symbol.asyncDispose]()
  })

  it("stops waiting when the caller gives up", async () => {
    using folder = openFolder()
    const held = await openBuildLock(folder.dir, () => undefined, AbortSignal.timeout(10_000))
    const impatient = openBuildLock(folder.dir, () => undefined, AbortSignal.timeout(100))
    await expect(impatient).rejects.toThrow()
    await held[Symbol.asyncDispose]()
  })
})
