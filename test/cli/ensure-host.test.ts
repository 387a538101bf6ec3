import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, expect, it, vi } from "vitest"
import type { CliContext } from "../../cli/context.ts"
import { ensureHost } from "../../cli/ensure-host.ts"
import { stopHost } from "../../cli/host-command.ts"
import { type Home, homeLayout } from "../../contract/home.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import { silentProgress } from "../../contract/progress.ts"
import { claimFolder } from "../../machine/claim-folder.ts"
import { readProcessRef } from "../../machine/process-ref.ts"
import { removeMachine } from "../../machine/remove.ts"
import { makeRecord } from "../machine/host-stand-in.ts"
import { projectDir } from "../rules/sources.ts"

let home: Home

beforeEach(() => {
  home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-host-")))
})
afterEach(async () => {
  await stopHost(context()).catch(() => null) // it may not run any more
  rmSync(home.root, { recursive: true, force: true })
})

it("a host service that has no time for a while is waited for, and no other takes its place", async () => {
  using first = await ensureHost(context())
  const { pid } = await first.health(AbortSignal.timeout(5000))
  process.kill(pid, "SIGSTOP")
  // longer than a question may take, and than another service needs to find the first
  const going = sleep(6000).then(() => process.kill(pid, "SIGCONT"))
  using second = await ensureHost(context())
  await going
  expect((await second.health(AbortSignal.timeout(5000))).pid).toBe(pid)
})

it("lets go of a machine whose folder was removed while it had no time", async () => {
  using host = await ensureHost(context())
  const record = makeRecord({
    state: "starting",
    owner: readProcessRef(process.pid),
    runId: newIdentifier(1),
  })
  await claimFolder(home, record)
  await host.attach(record.name, AbortSignal.timeout(10_000))
  const served = async () => (await host.health(AbortSignal.timeout(5000))).machines
  expect(await served()).toEqual([record.name])
  await removeMachine({ home, name: record.name, host: null, force: true })
  await vi.waitFor(async () => expect(await served()).toEqual([]), { timeout: 30_000, interval: 200 })
})

it("the waiting for one that never answers ends at the first Ctrl-C", async () => {
  mkdirSync(dirname(home.hostSocket), { recursive: true })
  const silent = createServer(() => undefined).listen(home.hostSocket)
  const child = spawn(join(projectDir, "stereo"), ["host", "status"], {
    env: { ...process.env, STEREO_HOME: home.root },
    stdio: ["ignore", "ignore", "pipe"],
  })
  let said = ""
  child.stderr.on("data", (chunk) => {
    const first = said === ""
    said += chunk
    if (first) child.kill("SIGINT")
  })
  const [code] = await once(child, "close")
  silent.close()
  expect({ code, said }).toMatchObject({
    code: 130,
    said: expect.stringMatching(/which is busy[\s\S]*stopped by SIGINT/),
  })
})

it("one that cannot start is told of with what it said, though a socket of an earlier one lies there", async () => {
  await leaveSocket(home.hostSocket)
  writeFileSync(join(home.root, "host.toml"), "providers = 7\n", { mode: 0o600 })
  await expect(ensureHost(context())).rejects.toMatchObject({
    code: "host/not-started",
    message: expect.stringContaining("host.toml"),
  })
})

/** As a service leaves it that was killed. */
async function leaveSocket(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  const server = createServer().listen(`${path}.old`)
  await new Promise((resolve) => server.once("listening", resolve))
  renameSync(`${path}.old`, path)
  await new Promise((resolve) => server.close(resolve))
}

function context(): CliContext {
  return {
    ...{ home, projectDir, progress: silentProgress, now: Date.now },
    environment: { ...process.env, STEREO_HOME: home.root },
    signal: new AbortController().signal,
    print: () => undefined,
    exitWith: () => undefined,
  }
}
