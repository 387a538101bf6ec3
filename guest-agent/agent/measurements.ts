/** What this machine is, measured once and then at every change, told to whoever asks on the control wire. */

import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { reasonOf } from "../../contract/fault.ts"
import type { Measured, MeasurementLine } from "../../contract/measurement.ts"
import { MEASUREMENT_EVERY_MS } from "../../contract/wire.ts"
import { readFirewall } from "./health.ts"
import { readRoot } from "./read-root.ts"
import { markUnits, readUnits } from "./read-units.ts"
import { type RulesetWatch, watchRuleset } from "./watch-ruleset.ts"
import { watchUnits } from "./watch-units.ts"

export type Tell = (line: MeasurementLine) => void

export interface Measurements {
  /** The packet filter as last listed; null before that. */
  readonly ruleset: () => unknown
  /** Tells all that is measured, and then each change, until the returned function is called. */
  readonly follow: (tell: Tell) => () => void
}

const RETRY_MS = 500
/** The network card comes up only when the packet filter is loaded: what is listed before is not worth a listing. */
const NETWORK_UP = { file: "/sys/class/net/eth0/flags", pollMs: 25, deadlineMs: 20_000 }
/** Who asks so soon after a measurement is told that one. */
const FRESH_MS = 3_000

/** Never rejects; what cannot be measured is told as such, and tried again. */
export function openMeasurements(log: (line: string) => void): Measurements {
  const state = new MeasuredState(log)
  void state.run()
  return { ruleset: () => state.ruleset, follow: (tell) => state.follow(tell) }
}

class MeasuredState {
  ruleset: unknown = null
  readonly #log: (line: string) => void
  readonly #agentId = randomBytes(16).toString("hex")
  readonly #followers = new Set<Tell>()
  #watch: RulesetWatch | null = null
  #last: Measured | null = null
  #mark = ""
  #measuredAtMs = Number.NEGATIVE_INFINITY
  /** Stays true: what was changed and changed back while nobody listened is told to the next who asks. */
  #hasChanged = false
  /** Listings happen one after the other; one that is asked for during another begins after it. */
  #listing: Promise<void> = Promise.resolve()
  #asked = false

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  follow(tell: Tell): () => void {
    this.#followers.add(tell)
    if (this.#last !== null) {
      if (performance.now() - this.#measuredAtMs < FRESH_MS) tell(this.#last)
      else this.#measureSoon()
    }
    return () => void this.#followers.delete(tell)
  }

  async run(): Promise<void> {
    await awaitNetwork()
    await this.#rewatch()
    watchUnits(() => void this.#look())
    setInterval(() => void this.#look(), MEASUREMENT_EVERY_MS)
  }

  async #rewatch(): Promise<void> {
    for (;;) {
      try {
        this.#watch = await watchRuleset({
          onChange: () => this.#changed(),
          onLost: (reason) => this.#lost(reason),
        })
        return this.#measureSoon()
      } catch (thrown) {
        this.#log(reasonOf(thrown))
        this.#tell({ kind: "unwatched", reason: reasonOf(thrown).slice(0, 500) })
        await sleep(RETRY_MS)
      }
    }
  }

  #changed(): void {
    if (this.#last !== null) {
      this.#hasChanged = true
      this.#measuredAtMs = Number.NEGATIVE_INFINITY
      this.#tell({ kind: "changing" })
    }
    this.#measureSoon()
  }

  #lost(reason: string): void {
    this.#watch = null
    this.#measuredAtMs = Number.NEGATIVE_INFINITY
    this.#log(reason)
    this.#tell({ kind: "unwatched", reason })
    void sleep(RETRY_MS).then(() => this.#rewatch())
  }

  #measureSoon(): void {
    if (this.#asked) return
    this.#asked = true
    this.#listing = this.#listing.then(async () => {
      this.#asked = false
      const watch = this.#watch
      try {
        this.ruleset = JSON.parse((await readFirewall()).toString())
        this.#measuredAtMs = performance.now()
        await this.#measure(watch)
      } catch (thrown) {
        this.#log(`not measured: ${reasonOf(thrown)}`)
        this.#tell({ kind: "unwatched", reason: reasonOf(thrown).slice(0, 500) })
        void sleep(RETRY_MS).then(() => this.#measureSoon())
      }
    })
  }

  /** `watch` is the one under which the packet filter was listed. */
  async #measure(watch: RulesetWatch | null): Promise<void> {
    this.#mark = await markUnits()
    const [bootId, units, root] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readUnits(),
      readRoot(),
    ])
    const which = { bootId: bootId.trim(), agentId: this.#agentId, changed: this.#hasChanged }
    this.#last = { kind: "measured", ...which, ruleset: this.ruleset, units, root }
    // unwatched, a change after the listing would go unseen: then this says nothing worth knowing
    if (watch !== null && watch === this.#watch) this.#tell(this.#last)
  }

  /** The units' folders announce what happens in them, but not what is mounted over them; a look is cheap. */
  async #look(): Promise<void> {
    const watch = this.#watch
    if (this.#last === null || watch === null) return
    try {
      if (!(await watch.isHearing())) return // what it missed or its end is told
      const [mark, root] = await Promise.all([markUnits(), readRoot()])
      const same = mark === this.#mark && JSON.stringify(root) === JSON.stringify(this.#last.root)
      if (same) this.#tell({ kind: "alive" })
      else await this.#measure(watch)
    } catch (thrown) {
      this.#log(`not measured: ${reasonOf(thrown)}`)
    }
  }

  #tell(line: MeasurementLine): void {
    for (const tell of this.#followers) tell(line)
  }
}

/** Bit 0 of an interface's flags is IFF_UP. */
async function awaitNetwork(): Promise<void> {
  const { file, pollMs, deadlineMs } = NETWORK_UP
  for (let waitedMs = 0; waitedMs < deadlineMs; waitedMs += pollMs) {
    const flags = await readFile(file, "utf8").catch(() => "0")
    if ((Number.parseInt(flags, 16) & 1) === 1) return
    await sleep(pollMs)
  }
}
