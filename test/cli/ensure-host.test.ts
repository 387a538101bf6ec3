import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { CliContext } from "../../cli/context.ts"
import { ensureHost } from "../../cli/ensure-host.ts"
import { stopHost } from "../../cli/host-command.ts"
import { type Home, homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
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
