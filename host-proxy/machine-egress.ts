/** What may leave one machine at this moment, and whatever changes it while the machine runs. */

import type { EgressPolicy } from "../contract/egress-grant.ts"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { EgressReport, LiveChange, ReloadReport } from "../contract/host-egress-api.ts"
import type { LiveRule } from "../contract/live-rule.ts"
import { matchesHost } from "../contract/path-pattern.ts"
import { AskDesk } from "./ask/ask-desk.ts"
import { type AuditEntry, auditEntry } from "./audit-entry.ts"
import type { CallInFlight, CallsInFlight } from "./calls-in-flight.ts"
import { isAskable, ONCE } from "./decide-or-ask.ts"
import type { Log, Refusal } from "./exchange.ts"
import { composePolicy, hasEnded, newGrants } from "./policy/compose-policy.ts"
import { decideEgress } from "./policy/decide-egress.ts"
import { LiveRules, readLiveRules } from "./policy/live-rules.ts"
import { readEgressSets } from "./policy/read-egress-sets.ts"

export interface MachineEgressOptions {
  /** The folder of the egress sets. */
  readonly setsDir: string
  readonly sets: readonly string[]
  /** The file of the machine's live rules. */
  readonly liveRules: string
  readonly runId: string
  readonly calls: CallsInFlight
  /** Durable when it resolves. */
  readonly audit: (entry: AuditEntry) => Promise<void>
  readonly now: () => number
  readonly log: Log
}

/** A rule to be made, as far as it is known before it has its number. */
export interface LiveRuleDraft {
  readonly make: (id: string) => LiveRule
  /** The line of the audit record, without which nothing changes. */
  readonly entry: (rule: LiveRule) => AuditEntry
}

/** The longest that a timer takes; what is later is looked at again. */
const MAX_TIMER_MS = 2 ** 31 - 1
const DAY_MS = 86_400_000

export async function openMachineEgress(options: MachineEgressOptions): Promise<MachineEgress> {
  const machine = new MachineEgress(options)
  await machine.read()
  return machine
}

export class MachineEgress implements Disposable {
  readonly desk: AskDesk
  readonly #options: MachineEgressOptions
  #base: EgressPolicy = { kind: "broken", rule: "egress/set-unread", reason: "no set has been read yet" }
  #live: LiveRules
  #liveBroken: string | null = null
  #policy: EgressPolicy = this.#base
  #reloadedAtMs = 0
  /** When the next live rule ends. */
  #dueMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #ended = false
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: MachineEgressOptions) {
    this.#options = options
    this.desk = new AskDesk(options.now)
    this.#live = new LiveRules(options.liveRules, { schema: 1, runId: options.runId, next: 1, rules: [] })
  }

  /** By the clock, even where a timer is late. */
  policy(): EgressPolicy {
    if (this.#options.now() >= this.#dueMs) this.#refresh()
    return this.#policy
  }

  /** What the policy of this moment says against a call that was let out; null: nothing. */
  refuses({ request, rule }: Pick<CallInFlight, "request" | "rule">): Refusal | null {
    const verdict = decideEgress(request, this.policy(), this.today())
    // what a person let out once stays out until a rule speaks of its host
    if (verdict.kind === "allow" || (rule === ONCE && isAskable(verdict))) return null
    return { status: 403, rule: verdict.rule, reason: verdict.reason, hint: verdict.hint }
  }

  report(): EgressReport {
    return {
      policy: this.policy(),
      mode: this.desk.isOpen ? "ask" : "enforce",
      liveRules: this.#live.all.filter((rule) => !hasEnded(rule, this.#options.now())),
      reloadedAt: new Date(this.#reloadedAtMs).toISOString(),
    }
  }

  /** Reads sets and live rules for the first time; those of an earlier run are over. */
  async read(): Promise<void> {
    const { liveRules, runId, sets, setsDir, audit } = this.#options
    const { rules, earlier, broken } = await readLiveRules(liveRules, runId)
    this.#live = rules
    this.#liveBroken = broken
    for (const rule of earlier?.rules ?? []) {
      await audit(auditEntry("run-ended", rule, { runId: earlier?.runId ?? runId }))
    }
    if (earlier) await rules.remove([])
    this.#base = await readEgressSets(setsDir, sets)
    this.#reloadedAtMs = this.#options.now()
    this.#refresh()
    await this.#endRules()
  }

  /** Reads the sets anew; one that is broken or gone closes the machine, calls under way included. */
  reload(claimedUser: string | null): Promise<ReloadReport> {
    return this.#inTurn(async () => {
      const { setsDir, sets, now, audit, liveRules, runId } = this.#options
      const before = this.policy()
      this.#base = await readEgressSets(setsDir, sets)
      if (this.#liveBroken !== null) {
        const again = await readLiveRules(liveRules, runId)
        this.#live = again.rules
        this.#liveBroken = again.broken
      }
      this.#reloadedAtMs = now()
      this.#refresh()
      const policy = this.#policy
      const opened = newGrants(before, policy)
      const closed = newGrants(policy, before)
      const cutCalls = this.cutRefused()
      const outcome = policy.kind === "broken" ? `${policy.rule}: ${policy.reason}` : "read"
      const detail = `${outcome}; ${opened.length} grants opened, ${closed.length} closed, ${cutCalls} calls ended`
      await audit(auditEntry("reload", null, { claimedUser, detail: detail.slice(0, 2000) }))
      return { policy, opened, closed, cutCalls, reloadedAt: new Date(this.#reloadedAtMs).toISOString() }
    })
  }

  /** Audited, kept, in force: in this order, so that nothing counts of which there is no record. */
  addRule({ make, entry }: LiveRuleDraft): Promise<LiveChange> {
    return this.#inTurn(async () => {
      this.#refuseBroken()
      const rule = make(this.#live.nextId())
      await this.#options.audit(entry(rule))
      await this.#live.add(rule)
      this.#refresh()
      return { rule, deniedBy: this.#deniedBy(rule), cutCalls: this.cutRefused() }
    })
  }

  /** Fault `egress/unknown-rule`. */
  revoke(id: string, entry: (rule: LiveRule) => AuditEntry): Promise<LiveChange> {
    return this.#inTurn(async () => {
      this.#refuseBroken()
      const rule = this.#live.find(id)
      if (!rule) {
        throw new Fault("egress/unknown-rule", `the machine has no live rule ${id}`, {
          hint: "rules of sets are changed in policies/egress; `stereo egress reload` reads them anew",
        })
      }
      await this.#options.audit(entry(rule))
      await this.#live.remove([rule])
      this.#refresh()
      return { rule, deniedBy: null, cutCalls: this.cutRefused() }
    })
  }

  /** For what changes no rule. */
  record(entry: AuditEntry): Promise<void> {
    return this.#options.audit(entry)
  }

  /** Ends the calls under way that would not be allowed now, and says how many. */
  cutRefused(): number {
    return this.#options.calls.cutWhere((call) => {
      const refusal = this.refuses(call)
      return refusal && `the policy changed: ${refusal.rule}: ${refusal.reason}`
    })
  }

  today(): string {
    return new Date(this.#options.now()).toISOString().slice(0, 10)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#ended = true
    this.desk.close()
  }

  #refresh(): void {
    const nowMs = this.#options.now()
    const base: EgressPolicy =
      this.#liveBroken === null
        ? this.#base
        : { kind: "broken", rule: "egress/live-rules-broken", reason: this.#liveBroken }
    const policy = composePolicy(base, this.#live.all, nowMs)
    if (policy.kind === "broken") this.#options.log(`${policy.rule}: ${policy.reason}; nothing may leave`)
    this.#policy = policy
    const ends = this.#live.all.flatMap(({ until }) => (until === null ? [] : [Date.parse(until)]))
    this.#dueMs = Math.min(...ends.filter((endMs) => endMs > nowMs))
    this.#arm(nowMs)
    const today = this.today()
    this.desk.settleWhere(({ request }) => !isAskable(decideEgress(request, policy, today)), {
      kind: "decide-again",
    })
  }

  /** For the next rule that ends, or the next day, on which rules of sets may have expired. */
  #arm(nowMs: number): void {
    clearTimeout(this.#timer)
    if (this.#ended) return
    const nextDayMs = nowMs - (nowMs % DAY_MS) + DAY_MS
    const waitMs = Math.min(this.#dueMs, nextDayMs) - nowMs
    const onTime = () => {
      this.policy()
      this.cutRefused()
      this.#inTurn(() => this.#endRules()).catch((thrown) =>
        this.#options.log(`rules that have ended are not recorded yet: ${reasonOf(thrown)}`),
      )
      this.#arm(this.#options.now())
    }
    this.#timer = setTimeout(onTime, Math.min(Math.max(waitMs, 1), MAX_TIMER_MS))
    this.#timer.unref()
  }

  /** Takes the rules out whose time is over; they have not counted since. */
  async #endRules(): Promise<void> {
    const ended = this.#live.all.filter((rule) => hasEnded(rule, this.#options.now()))
    for (const rule of ended) await this.#options.audit(auditEntry("expired", rule))
    if (ended.length > 0) await this.#live.remove(ended)
  }

  #deniedBy(rule: LiveRule): string | null {
    if (rule.kind === "deny" || this.#policy.kind === "broken") return null
    const { host } = rule.grant
    return this.#policy.denials.find((one) => one.host === host || matchesHost(one.host, host))?.id ?? null
  }

  /** A rule on top of a policy that nobody can read would say more than is known. */
  #refuseBroken(): void {
    if (this.#policy.kind === "rules") return
    const { rule, reason } = this.#policy
    throw new Fault(rule, `nothing may leave this machine, so no rule is made: ${reason}`, {
      hint: "correct it, then run `stereo egress reload MACHINE`",
    })
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => null) // whoever asked hears of it; the next in turn does not care
    return result
  }
}
