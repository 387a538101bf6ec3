/** The host service as one disposable thing: archive, outbound connections, machines, and its own socket. */

import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { Fault, reasonOf } from "../contract/fault.ts"
import { type Home, machineLayout } from "../contract/home.ts"
import { compareAccounts } from "./archive/envelopes.ts"
import { openArchive } from "./archive/open-archive.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import { type AttachedMachine, attachMachine, readMachineRecord } from "./attached-machine.ts"
import type { Gateway } from "./call.ts"
import { type CallLimits, DEFAULT_LIMITS } from "./call-limits.ts"
import type { Log } from "./exchange.ts"
import { isProcessAlive } from "./guest/process-alive.ts"
import { openLedger } from "./ledger.ts"
import { readHostConfig } from "./provider/host-config.ts"
import { DEFAULT_TIMEOUTS, openOutbound, type Timeouts } from "./provider/outbound.ts"
import { readDefinitions } from "./provider/read-definitions.ts"
import { claimSocket } from "./service/serve-api.ts"

export interface HostOptions {
  readonly home: Home
  /** The folder that holds egress/, providers/ and prices/. */
  readonly policiesDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly pid: number
  readonly now: () => number
  readonly log: Log
  readonly timeouts?: Timeouts
  readonly limits?: Partial<CallLimits>
}

export interface Host extends AsyncDisposable {
  /** Lets go of a machine that has ended. */
  detach(name: string): Promise<void>
  /** Names of the machines that it holds something of. */
  served(): readonly string[]
  /** Resolves when somebody asked for the end by `POST /stop`. */
  readonly stopAsked: Promise<void>
}

/** Opens the service. Faults: `host/already-running`, and those of its configuration and its archive. */
export async function openHost(options: HostOptions): Promise<Host> {
  await using parts = new AsyncDisposableStack()
  const { home, log, now } = options
  const socket = parts.use(await claimSocket(home.hostSocket))
  const definitions = await readDefinitions(join(options.policiesDir, "providers"))
  const config = await readHostConfig(home.hostConfig, definitions)
  const archive = parts.use(await openArchive(home.archive, now(), log))
  const outbound = parts.use(openOutbound(options.timeouts ?? DEFAULT_TIMEOUTS))
  const ledger = parts.use(
    await openLedger({ archive, pricesDir: join(options.policiesDir, "prices"), now, log }),
  )
  const sources = { definitions, config, environment: options.environment }
  const settle = async (row: ExchangeRow) => {
    if (row.claimed_exchange) await compareAccounts(archive.database, row.run_id, row.claimed_exchange, now())
    await ledger.settle(row)
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const gateway: Gateway = { archive, outbound, sources, settle, limits, now, log }
  const machines = parts.use(new Machines(gateway, options))
  await machines.adoptAll()
  const stop = Promise.withResolvers<void>()
  const startedAt = new Date(now()).toISOString()
  const health = () => ({ pid: options.pid, version: options.version, startedAt, machines: machines.names() })
  socket.serve({ health, machines, stop: stop.resolve, log })
  const owned = parts.move()
  const detach = (name: string) => machines.detach(name)
  return {
    detach,
    served: () => machines.names(),
    stopAsked: stop.promise,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The machines that are served; changes to one machine happen one after the other. */
class Machines implements AsyncDisposable {
  readonly #gateway: Gateway
  readonly #options: HostOptions
  readonly #attached = new Map<string, AttachedMachine>()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(gateway: Gateway, options: HostOptions) {
    this.#gateway = gateway
    this.#options = options
  }

  names(): string[] {
    return [...this.#attached.keys()].sort()
  }

  find(name: string): AttachedMachine | null {
    return this.#attached.get(name) ?? null
  }

  attach(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const home = machineLayout(this.#options.home, name)
      const record = await readMachineRecord(home)
      if (this.#attached.get(name)?.record.runId === record.runId) return
      await this.#drop(name)
      this.#attached.set(name, await attachMachine(this.#gateway, this.#options.policiesDir, home, record))
      this.#options.log(`${name}: attached, run ${record.runId}`)
    })
  }

  detach(name: string): Promise<void> {
    return this.#inTurn(() => this.#drop(name))
  }

  /** After a restart of the service: takes up the machines whose QEMU still runs. */
  async adoptAll(): Promise<void> {
    const { home, log } = this.#options
    const names = await readdir(home.machines).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return []
      throw new Fault("host/cannot-adopt", `${home.machines}: ${thrown.message}`, { cause: thrown })
    })
    for (const name of names) {
      try {
        const { state, qemu } = await readMachineRecord(machineLayout(home, name))
        if ((state === "running" || state === "starting") && qemu && isProcessAlive(qemu))
          await this.attach(name)
      } catch (thrown) {
        log(`${name}: not taken up: ${reasonOf(thrown)}`)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.names()) await this.detach(name)
  }

  async #drop(name: string): Promise<void> {
    const machine = this.#attached.get(name)
    this.#attached.delete(name)
    await machine?.[Symbol.asyncDispose]()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => null) // whoever asked hears of it; the next in turn does not care
    return result
  }
}
