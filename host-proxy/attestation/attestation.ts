/** Whether one machine is at this moment what its manifest promised, from what its guest says of itself. */

import { setTimeout as delay } from "node:timers/promises"
import { Fault } from "../../contract/fault.ts"
import type { AttestationState, MeasurementLine } from "../../contract/measurement.ts"
import { MEASUREMENT_EVERY_MS } from "../../contract/wire.ts"
import type { Log, Refusal } from "../exchange.ts"
import { type Expected, judgeMeasurement, type Mismatch } from "./judge-measurement.ts"

export interface AttestationOptions {
  readonly expected: Expected
  /** Why this run was refused before the service was started anew; null when it was not. */
  readonly before: Mismatch | null
  readonly now: () => number
  readonly log: Log
  /** Nothing may leave from now on: what is under way ends. */
  readonly onClosed: (reason: string) => void
  /** Something for the record. */
  readonly onFinding: (kind: string, detail: string) => void
}

/** Six lines that did not come: longer than an emulated guest hesitates, or one that is stopped for a snapshot. */
const SILENT_MS = 6 * MEASUREMENT_EVERY_MS
/** A call that comes before the measurement, as after a restart of the service, waits so long for it. */
const HOLD_MS = 2_000
/** A guest that is heard and unheard in turn is recorded so often, and then no more. */
const MAX_FINDINGS = 50

type Standing =
  | { readonly state: "pending"; readonly reason: string }
  | { readonly state: "attested" }
  | { readonly state: "silent" }
  | ({ readonly state: "refused" } & Mismatch)

export class Attestation implements Disposable {
  readonly #options: AttestationOptions
  #standing: Standing
  #sinceMs: number
  #bootId: string | null = null
  #found: AttestationState["found"] = null
  /** The wire was closed on the mere announcement of a change; the listing is to tell which. */
  #owesDetail = false
  #findings = 0
  #silence: NodeJS.Timeout | null = null
  readonly #waiting = new Set<() => void>()

  constructor(options: AttestationOptions) {
    this.#options = options
    this.#sinceMs = options.now()
    this.#standing =
      options.before === null
        ? { state: "pending", reason: "the guest has not measured itself yet" }
        : { state: "refused", ...options.before }
  }

  /** Why nothing may leave at this moment; null when it may. */
  gate(): Refusal | null {
    const { state } = this.#standing
    if (state === "attested") return null
    const status = state === "refused" ? 403 : 503
    return {
      status,
      rule: this.#rule() ?? "attestation/pending",
      reason: this.#reason() ?? "",
      hint: hintFor(state),
    }
  }

  /** Resolves when it is known whether calls may pass, or after a moment. */
  async settled(): Promise<void> {
    if (this.#standing.state !== "pending") return
    const enough = new AbortController()
    await Promise.race([
      this.#changed(enough.signal),
      delay(HOLD_MS, null, { ref: false, signal: enough.signal }),
    ])
    enough.abort()
  }

  /** Resolves once the machine is attested; rejects when it is refused or `signal` aborts. */
  async whenAttested(signal: AbortSignal): Promise<void> {
    for (;;) {
      const standing = this.#standing
      if (standing.state === "attested") return
      if (standing.state === "refused") throw refusedFault(standing)
      if (signal.aborted) throw new Error(`still waiting for the guest's measurement: ${this.#reason()}`)
      await this.#changed(signal)
    }
  }

  report(): AttestationState {
    return {
      state: this.#standing.state,
      rule: this.#rule(),
      reason: this.#reason(),
      since: new Date(this.#sinceMs).toISOString(),
      bootId: this.#bootId,
      expected: this.#options.expected.digests,
      found: this.#found,
    }
  }

  /** The guest agent has begun anew and knows nothing: it has to measure before anything passes. */
  restarted(): void {
    this.#unwatch("the guest agent has restarted")
  }

  /** Throws when the guest goes on as if it were believed: then it is to be asked anew. */
  take(line: MeasurementLine): void {
    const { state } = this.#standing
    if (state === "attested") this.#listen()
    switch (line.kind) {
      case "measured":
        this.#judge(line)
        break
      case "changing":
        if (state !== "refused") this.#announceChange()
        break
      case "unwatched":
        this.#unwatched(plain(line.reason))
        break
      case "alive":
        if (state === "pending" || state === "silent") throw new Error("the guest is to measure itself anew")
        break
      default:
        line satisfies never
    }
  }

  [Symbol.dispose](): void {
    if (this.#silence) clearTimeout(this.#silence)
  }

  #judge(line: Extract<MeasurementLine, { kind: "measured" }>): void {
    const { found, mismatch } = judgeMeasurement(this.#options.expected, line, this.#bootId)
    const owed = this.#owesDetail
    this.#owesDetail = false
    if (this.#standing.state === "refused" && !owed) return
    this.#found = found
    this.#bootId = line.bootId
    if (mismatch !== null) this.#refuse(mismatch)
    // announced as changing, and then said never to have changed
    else if (this.#standing.state === "refused") return
    else {
      if (this.#standing.state !== "attested") this.#move({ state: "attested" })
      this.#listen()
    }
  }

  /** Nothing in an image changes its rules: whoever does has become root, and may have changed them back. */
  #announceChange(): void {
    this.#owesDetail = true
    const reason = "the packet filter was changed while the machine ran"
    this.#refuse({ rule: "attestation/ruleset", reason })
  }

  #refuse(mismatch: Mismatch): void {
    this.#move({ state: "refused", ...mismatch })
    this.#record(mismatch.rule, mismatch.reason)
    this.#options.onClosed(`${mismatch.rule}: ${mismatch.reason}`)
  }

  #unwatched(reason: string): void {
    if (this.#standing.state === "attested") this.#record("attestation/unwatched", reason)
    this.#unwatch(`the guest cannot see changes: ${reason}`)
  }

  #record(kind: string, detail: string): void {
    this.#findings += 1
    if (this.#findings <= MAX_FINDINGS || this.#standing.state === "refused")
      this.#options.onFinding(kind, detail)
  }

  /** What is under way goes on for as long as silence is borne. */
  #unwatch(reason: string): void {
    if (this.#standing.state === "attested") this.#move({ state: "pending", reason })
  }

  #listen(): void {
    if (this.#silence) clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#fallSilent(), SILENT_MS).unref()
  }

  #fallSilent(): void {
    if (this.#standing.state !== "attested" && this.#standing.state !== "pending") return
    this.#move({ state: "silent" })
    const reason = this.#reason() ?? ""
    this.#record("attestation/silent", reason)
    this.#options.onClosed(`attestation/silent: ${reason}`)
  }

  #move(standing: Standing): void {
    this.#standing = standing
    this.#sinceMs = this.#options.now()
    this.#options.log(`attestation: ${standing.state}${this.#reason() === null ? "" : `: ${this.#reason()}`}`)
    for (const wake of [...this.#waiting]) wake()
  }

  #rule(): AttestationState["rule"] {
    const { state } = this.#standing
    if (state === "attested") return null
    return this.#standing.state === "refused"
      ? this.#standing.rule
      : `attestation/${state === "silent" ? state : "pending"}`
  }

  #reason(): string | null {
    const standing = this.#standing
    if (standing.state === "attested") return null
    if (standing.state !== "silent") return standing.reason
    return `the guest has not said for ${SILENT_MS / 1000} s that it is still what it was`
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener("abort", wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener("abort", wake, { once: true })
    })
  }
}

/** A guest chose the words: they go into a log and onto a terminal. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?")
}

function hintFor(state: AttestationState["state"]): string {
  return state === "refused"
    ? "look at the machine with stereo ls; it is let out again only when it is started anew"
    : "try again in a moment; stereo ls says what the host is waiting for"
}

function refusedFault({ rule, reason }: Mismatch): Fault {
  return new Fault("host/not-attested", `${rule}: ${reason}`, {
    hint: "build the image again if its definition has changed; if it has not, look for what changed the machine",
  })
}
