import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Home, homeLayout, machineLayout } from "../../contract/home.ts"
import type { MachineRecord } from "../../contract/machine-record.ts"
import { silentProgress } from "../../contract/progress.ts"
import { abandonLaunch } from "../../machine/abandon-launch.ts"
import { openHostClient } from "../../machine/host-client.ts"
import { readImage } from "../../machine/image/read-image.ts"
import { launchMachine } from "../../machine/launch.ts"
import { readRecord, writeRecord } from "../../machine/record-store.ts"
import { projectDir } from "../rules/sources.ts"
import { openTestStore } from "../trust/image-folder.ts"
import { makeRecord } from "./host-stand-in.ts"

let home: Home

beforeEach(() => {
  home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-launch-")))
  mkdirSync(machineLayout(home, "demo").vm, { recursive: true })
})
afterEach(() => rmSync(home.root, { recursive: true }))

/** A process that is certainly gone. */
const gone = { pid: 2 ** 22 - 1, startTicks: "1" }

async function abandon(changes: Partial<MachineRecord>, isNew: boolean, interrupted: boolean) {
  const record = makeRecord({ state: "starting", ...changes })
  await writeRecord(home, record)
  using host = openHostClient(home.hostSocket)
  await abandonLaunch({ home, host, record, isNew, interrupted, thrown: new Error("because\nof this") })
}

describe("a start that failed", () => {
  it("keeps the logs of a machine that got as far as QEMU, and why it failed", async () => {
    await abandon({ qemu: gone }, true, false)
    const record = await readRecord(home, "demo")
    expect(record).toMatchObject({ state: "failed", qemu: null, owner: null })
    expect(record.failure).toMatch(/^because; host\/unreachable/)
  })

  it("leaves nothing of a new machine that never got to QEMU, or that the user interrupted", async () => {
    await abandon({}, true, false)
    expect(readdirSync(home.machines)).toEqual([])
    mkdirSync(machineLayout(home, "demo").vm, { recursive: true })
    await abandon({ qemu: gone }, true, true)
    expect(readdirSync(home.machines)).toEqual([])
  })

  it("keeps a machine that was there before, whatever happens to its start", async () => {
    await abandon({ qemu: gone }, false, true)
    expect(await readRecord(home, "demo")).toMatchObject({ state: "stopped" })
  })

  it("misses card and image before the tools tree and the host service, which help neither", async () => {
    const connect = () => Promise.reject(new Error("it is asked for no host service"))
    const request = {
      ...{ home, connect, projectDir, asked: {}, ephemeral: true, progress: silentProgress, now: Date.now },
      signal: new AbortController().signal,
    }
    await expect(launchMachine({ ...request, card: "coder" })).rejects.toMatchObject({
      ...{ code: "card/unreadable", hint: expect.stringContaining("--image NAME") },
    })
    await expect(launchMachine({ ...request, image: "nope" })).rejects.toMatchObject({
      code: "image/not-built",
    })
  })

  it("names the command that builds an image that is not there", async () => {
    await expect(readImage(home, "coder")).rejects.toMatchObject({
      code: "image/not-built",
      hint: expect.stringMatching(/^no image is built yet; `stereo build NAME`/),
    })
    await expect(readImage(home, "../../etc")).rejects.toMatchObject({ code: "image/not-built" })
  })

  it("takes a digest for itself, whatever image a link of that name leads to", async () => {
    using store = openTestStore()
    const { digest, dir } = await store.store("base")
    expect((await readImage(store.home, digest)).dir).toBe(dir)
    const other = "a".repeat(64)
    symlinkSync(digest, join(store.home.images, "by-digest", other))
    await expect(readImage(store.home, other)).rejects.toMatchObject({
      code: "image/not-verified",
      message: expect.stringContaining(`expected ${other}`),
    })
  })
})
