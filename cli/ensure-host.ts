/** Finds the host service, or starts it in a session of its own and waits until it answers. */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, existsSync, fstatSync, mkdirSync, openSync } from "node:fs"
import { stat } from "node:fs/promises"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Fault } from "../contract/fault.ts"
import { type Home, LONGEST_SOCKET_PATH_BYTES } from "../contract/home.ts"
import type { HostClient } from "../machine/host-client.ts"
import { printable, readTailText } from "../machine/read-tail-text.ts"
import type { CliContext } from "./context.ts"

const DEADLINE_MS = 20_000
/** How long a service that listens may have no time to answer: its disk is busy, or its processors are. */
const BUSY_MS = 20_000
const LOOK_MS = 50

/** Fault: `host/not-started`, with the last lines of its log. The caller disposes the client. */
export async function ensureHost(context: CliContext): Promise<HostClient> {
  refuseLongHome(context.home)
  const found = await findHost(context)
  if (found !== null) return found
  return context.progress.step("Host service", async (note) => {
    const host = await startHost(context)
    note(`started, log in ${context.home.hostLog}`)
    return host
  })
}

/** Fault: `cli/home-too-long`. Without this check Linux only says EINVAL. */
export function refuseLongHome(home: Home): void {
  const bytes = Buffer.byteLength(home.hostSocket)
  if (bytes <= LONGEST_SOCKET_PATH_BYTES) return
  throw new Fault(
    "cli/home-too-long",
    `the socket ${home.hostSocket} has a path of ${bytes} bytes, and Linux allows ${LONGEST_SOCKET_PATH_BYTES}`,
    { hint: "set STEREO_HOME to a folder with a shorter path" },
  )
}

/** The host service, which is waited for where it listens and has no time; null if it does not run. */
export async function findHost(context: CliContext): Promise<HostClient | null> {
  const { hostSocket } = context.home
  if (!existsSync(hostSocket)) return null
  return openAnswering(context, async (host) => {
    if (await answers(host, context.signal)) return true
    if (!(await isListenedOn(hostSocket))) return false
    return context.progress.step("Host service, which is busy", async () => {
      const deadlineMs = context.now() + BUSY_MS
      while (context.now() < deadlineMs && (await isListenedOn(hostSocket))) {
        if (await answers(host, context.signal)) return true
        // one that refuses at once is not asked without a pause
        await delay(LOOK_MS)
      }
      return false
    })
  })
}

/** A client that is closed, however the waiting for its answer ends, unless there is one. */
async function openAnswering(
  context: CliContext,
  wait: (host: HostClient) => Promise<boolean>,
): Promise<HostClient | null> {
  const { openHostClient } = await import("../machine/host-client.ts")
  const host = openHostClient(context.home.hostSocket)
  let answered = false
  try {
    answered = await wait(host)
  } finally {
    if (!answered) host[Symbol.dispose]()
  }
  return answered ? host : null
}

async function answers(host: HostClient, signal: AbortSignal): Promise<boolean> {
  try {
    await host.health(AbortSignal.any([signal, AbortSignal.timeout(2000)]))
    return true
  } catch (thrown) {
    if (signal.aborted) throw signal.reason
    if (thrown instanceof Fault && thrown.code === "host/bad-answer") throw thrown
    return false
  }
}

async function startHost(context: CliContext): Promise<HostClient> {
  const { child, logStart } = spawnHost(context)
  const deadlineMs = context.now() + DEADLINE_MS
  let why = "it ended"
  const host = await openAnswering(context, async (host) => {
    while (!(await answers(host, context.signal))) {
      // another command may have started one at the same moment: then ours ends, and that one answers
      if (child.exitCode !== null || child.signalCode !== null) {
        await delay(1000)
        return answers(host, context.signal)
      }
      if (context.now() > deadlineMs) {
        why = `it did not answer in ${DEADLINE_MS / 1000} s`
        return false
      }
      await delay(LOOK_MS)
    }
    return true
  })
  if (host === null) throw await notStarted(context, logStart, why)
  return host
}

/** The kernel takes a connection for a service that has no time for it; for one that is gone it does not. */
async function isListenedOn(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, "connect")
    return true
  } catch {
    return false // nobody listens, or the socket is not there
  } finally {
    socket.destroy()
  }
}

function spawnHost(context: CliContext) {
  const { hostLog } = context.home
  mkdirSync(dirname(hostLog), { recursive: true, mode: 0o700 })
  const log = openSync(hostLog, "a", 0o600)
  // what an earlier start wrote is not what went wrong now
  const logStart = fstatSync(log).size
  const main = join(context.projectDir, "cli", "main.ts")
  const child = spawn(process.execPath, [...process.execArgv, main, "host"], {
    cwd: "/",
    detached: true,
    // it reads credentials and STEREO_HOME there
    env: { ...context.environment, STEREO_HOME: context.home.root },
    stdio: ["ignore", log, log],
  })
  closeSync(log)
  child.unref()
  return { child, logStart }
}

async function notStarted(context: CliContext, logStart: number, what: string): Promise<Fault> {
  const { size } = await stat(context.home.hostLog)
  const lines = printable(await readTailText(context.home.hostLog, Math.min(size - logStart, 4096)))
    .trimEnd()
    .split("\n")
    .slice(-8)
  return new Fault(
    "host/not-started",
    [`the host service did not start: ${what}`, ...lines.map((line) => `  ${line}`)].join("\n"),
    { hint: `run \`stereo host\` to see it start; its log is ${context.home.hostLog}` },
  )
}
