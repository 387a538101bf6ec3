import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { run } from "../../builder/run.ts"
import { openStages, type Stages } from "../../builder/stages.ts"
import { Fault } from "../../contract/fault.ts"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { openFolder } from "./project-folder.ts"

describe("stages side by side", () => {
  it("run at the same time, and their rows and results stand in the order in which they were named", async () => {
    using folder = openFolder()
    const stages = await open(folder.dir)
    const met = Promise.withResolvers<void>()
    // each waits for something that only the other does, so that one after the other would never end
    const results = await stages.sideBySide([
      () => stages.plain("slow", "slow", () => met.promise.then(() => "a")),
      () => stages.plain("quick", "quick", async () => met.resolve()),
      () => make(stages, "kept", async () => undefined),
    ])
    expect(results[0]).toBe("a")
    expect(results[2]).toMatch(/\/cache\/kept\/[0-9a-f]{64}$/)
    await stages.plain("after", "after", async () => undefined)
    expect(stages.rows.map(({ stage }) => stage)).toEqual(["slow", "quick", "kept", "after"])
  })

  it("when one fails: the program of another is ended, what has no program is waited for, and the error is that of the first", async () => {
    using folder = openFolder()
    const stages = await open(folder.dir)
    const pidFile = join(folder.dir, "pid")
    let over = false
    const working = stages.sideBySide([
      () => make(stages, "program", () => runForever(stages, pidFile)),
      () =>
        make(stages, "own", async () => {
          await sleep(300)
          over = true
          throw new Error("what follows from the abort, or comes later, is not said")
        }),
      () =>
        make(stages, "broken", async () => {
          while (!isWritten(pidFile)) await sleep(10)
          throw new Error("the gate is shut")
        }),
    ])
    await expect(working).rejects.toThrow("the gate is shut")
    expect(over).toBe(true)
    expect(existsSync(`/proc/${readFileSync(pidFile, "utf8").trim()}`)).toBe(false)
    const cache = join(folder.dir, "cache")
    for (const stage of ["program", "own", "broken"]) expect(readdirSync(join(cache, stage))).toEqual([])
    // nothing may begin after it, as after an interruption
    await expect(stages.plain("after", "after", async () => undefined)).rejects.toThrow("the gate is shut")
  })

  it("when the caller gives up: programs end, nothing half is left, and the reason is the caller's", async () => {
    using folder = openFolder()
    const interrupted = new AbortController()
    const stages = await open(folder.dir, interrupted)
    const pidFile = join(folder.dir, "pid")
    const working = stages.sideBySide([
      () => make(stages, "program", () => runForever(stages, pidFile)),
      () => make(stages, "own", () => sleep(50)),
    ])
    working.catch(() => null)
    while (!isWritten(pidFile)) await sleep(10)
    interrupted.abort(new Error("stopped by SIGINT"))
    await expect(working).rejects.toThrow("stopped by SIGINT")
    expect(existsSync(`/proc/${readFileSync(pidFile, "utf8").trim()}`)).toBe(false)
    expect(readdirSync(join(folder.dir, "cache", "program"))).toEqual([])
  })
})

describe("a stage that fails", () => {
  const fail = async () => {
    throw new Fault("gates/refused", "a gate is shut", { hint: "open it" })
  }

  it("says how to look into the tree and where the log is, from the stage on that made a tree, and not before", async () => {
    using folder = openFolder()
    const stages = await open(folder.dir, { wayIn: "stereo build base --shell" })
    await expect(make(stages, "fetch", fail)).rejects.toMatchObject({ hint: "open it" })
    await make(stages, "rootfs-root", async () => undefined)
    const hint = `open it; the log is ${stages.runner.logFile}; to look into the tree: stereo build base --shell`
    const fault = { code: "gates/refused", message: "a gate is shut", hint }
    await expect(make(stages, "gates", fail)).rejects.toMatchObject(fault)
    await expect(stages.plain("store", "store", fail)).rejects.toMatchObject(fault)
  })

  it("names the log once, and no way into a tree where the build has none", async () => {
    using folder = openFolder()
    const stages = await open(folder.dir, { wayIn: "stereo build base --shell" })
    await make(stages, "rootfs-root", async () => undefined)
    const broken = make(stages, "seal", async () => {
      throw new Fault("run/failed", "a program failed", { hint: `see ${stages.runner.logFile}` })
    })
    const hint = `see ${stages.runner.logFile}; to look into the tree: stereo build base --shell`
    await expect(broken).rejects.toMatchObject({ hint })
    const locking = await open(folder.dir)
    await make(locking, "rootfs-root", async () => undefined)
    await expect(make(locking, "lock", fail)).rejects.toMatchObject({ hint: "open it" })
  })
})

function runForever(stages: Stages, pidFile: string): Promise<unknown> {
  const command = ["sh", "-c", `echo $$ > ${pidFile}; exec sleep 600`] as const
  return run({ ...stages.runner, command, purpose: "a program" })
}

function isWritten(file: string): boolean {
  return existsSync(file) && readFileSync(file, "utf8") !== ""
}

interface Opening {
  readonly signal?: AbortSignal
  readonly wayIn?: string
}

function open(dir: string, { signal = new AbortController().signal, wayIn }: Opening = {}): Promise<Stages> {
  const home = homeLayout(dir)
  mkdirSync(home.cache, { recursive: true })
  return openStages({ home, progress: silentProgress, signal, now: Date.now }, "test", wayIn)
}

function make(stages: Stages, name: string, work: () => Promise<unknown>): Promise<string> {
  return stages.stage({ name, title: name, inputs: name, make: async () => void (await work()) })
}
