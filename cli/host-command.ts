/** `stereo host`: runs the host service in the foreground, and ends one that runs. */

import { existsSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { Command } from "commander"
import { Fault, reasonOf } from "../contract/fault.ts"
import { machineLayout } from "../contract/home.ts"
import { jsonText } from "../contract/json-text.ts"
import type { Log } from "../host-proxy/exchange.ts"
import type { Host } from "../host-proxy/open-host.ts"
import type { CliContext } from "./context.ts"
import { findHost, refuseLongHome } from "./ensure-host.ts"
import { printableLine } from "./printable-line.ts"

const SWEEP_EVERY_MS = 1500

const EXAMPLES = `
Runs until Ctrl-C or SIGTERM; 'up' and 'run' start one when none is running. Real credentials are read
from host.toml in STEREO_HOME (mode 0600), then from the environment:

  [providers.anthropic]
  key = "sk-ant-…"
  upstream = "http://127.0.0.1:9999"   # optional: a corporate proxy or a fake

Examples:
  $ stereo host
  $ stereo host stop`

export function addHostCommand(program: Command, context: CliContext): void {
  const host = program
    .command("host")
    .description("run the host service: decides, forwards, records and prices each call")
    .addHelpText("after", EXAMPLES)
    .action(() => runHost(context))
  host
    .command("stop")
    .description("end the host service of this user")
    .addHelpText("after", "\nExample:\n  $ stereo host stop")
    .action(async () => {
      await stopHost(context)
      context.print("the host service has ended\n")
    })
  host
    .command("status")
    .description("show whether the host service runs, and which machines it serves")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExit code 1 when it does not run.\n\nExample:\n  $ stereo host status --json")
    .action((options: { json?: boolean }) => showStatus(context, options.json === true))
}

async function showStatus(context: CliContext, asJson: boolean): Promise<void> {
  using client = await findHost(context)
  if (client === null) throw notRunning(context.home.hostSocket)
  const health = await client.health(context.signal)
  const served = health.machines.length === 0 ? "no machine" : health.machines.join(", ")
  const text = `process ${health.pid}, version ${health.version}, since ${health.startedAt}, serves ${served}`
  context.print(asJson ? jsonText(health) : `${text}\n`)
}

async function runHost(context: CliContext): Promise<void> {
  // sockets and files of the service are its user's alone
  process.umask(0o077)
  refuseLongHome(context.home)
  const { home, now, signal } = context
  const log = (line: string) =>
    context.print(`${new Date(now()).toISOString()} ${printableLine(line, 2000)}\n`)
  const { openHost } = await import("../host-proxy/open-host.ts")
  await using host = await openHost({
    home,
    policiesDir: join(context.projectDir, "policies"),
    environment: context.environment,
    version: "0.1.0",
    pid: process.pid,
    now,
    log,
  })
  log(`host service ready on ${home.hostSocket}, process ${process.pid}`)
  const ended = new AbortController()
  const sweeping = sweepUntil(AbortSignal.any([signal, ended.signal]), context, host, log)
  await Promise.race([host.stopAsked, aborted(signal)])
  ended.abort()
  await sweeping
  log("host service ends")
}

/** Ends what outlived its owner, and lets go of machines whose QEMU has died. */
async function sweepUntil(signal: AbortSignal, context: CliContext, host: Host, log: Log): Promise<void> {
  const { sweepMachines } = await import("../machine/sweep.ts")
  while (!signal.aborted) {
    try {
      const { ended, removed } = await sweepMachines(context.home, context.now())
      for (const name of [...ended, ...removed]) {
        await host.detach(name)
        log(`${name}: has ended`)
      }
      // removed while this service had no time to be told
      for (const name of host.served().filter((one) => !existsSync(machineLayout(context.home, one).dir))) {
        await host.detach(name)
        log(`${name}: was removed`)
      }
    } catch (thrown) {
      log(`sweep: ${reasonOf(thrown)}`)
    }
    await delay(SWEEP_EVERY_MS, null, { signal }).catch(() => null) // aborted: the loop's condition ends it
  }
}

/** Settles when the service has let go of its socket. Fault: `host/not-running`. */
export async function stopHost(context: CliContext): Promise<void> {
  const path = context.home.hostSocket
  if (!existsSync(path)) throw notRunning(path)
  const { connect } = await import("node:http2")
  const session = connect("http://host", { createConnection: () => createConnection(path) })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  session.on("error", () => reject(notRunning(path)))
  session.once("close", () => resolve())
  const stream = session.request({ ":method": "POST", ":path": "/stop" })
  stream.on("error", reject)
  stream.resume().end()
  await promise
}

function notRunning(path: string): Fault {
  return new Fault("host/not-running", `no host service listens on ${path}`, {
    hint: "`stereo host` runs one here; `stereo up` and `stereo run` start one when they need it",
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
}
