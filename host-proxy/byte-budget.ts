/** Counts what leaves a machine in one run, in all and by rule and host, and says when it is enough. */

import type { EgressGrant } from "../contract/egress-grant.ts"
import type { Refusal } from "./exchange.ts"

/** What a machine's budget looks like at one moment. */
export interface BudgetState {
  readonly limitBytes: number
  readonly usedBytes: number
  readonly hosts: readonly { readonly host: string; readonly rule: string; readonly usedBytes: number }[]
}

/** On whose account bytes leave. */
export interface Spender {
  readonly host: string
  readonly rule: string
  readonly grant: Pick<EgressGrant, "budgetBytes"> | null
}

const MIB = 1024 * 1024
/** Hosts that are told apart: a wildcard rule must not let a guest fill the memory with names. */
const MAX_ACCOUNTS = 10_000

export class ByteBudget {
  readonly #limitBytes: number
  readonly #accounts = new Map<string, { readonly host: string; readonly rule: string; usedBytes: number }>()
  /** By rule: a star must not give each name a budget of its own. */
  readonly #rules = new Map<string, number>()
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get state(): BudgetState {
    const hosts = [...this.#accounts.values()].map((account) => ({ ...account }))
    return { limitBytes: this.#limitBytes, usedBytes: this.#usedBytes, hosts }
  }

  /** Counts what has left already. */
  add(bytes: number, { host, rule }: Pick<Spender, "host" | "rule">): void {
    this.#usedBytes += bytes
    const account = this.#accountOf(host, rule)
    account.usedBytes += bytes
    this.#rules.set(rule, (this.#rules.get(rule) ?? 0) + bytes)
  }

  /** Counts bytes that are about to leave, or says why they may not. */
  charge(bytes: number, spender: Spender): Refusal | null {
    const used = this.#rules.get(spender.rule) ?? 0
    const limit = spender.grant?.budgetBytes ?? null
    if (limit !== null && used + bytes > limit) {
      const reason = `this machine has sent ${mib(used)} of the ${mib(limit)} MiB that ${spender.rule} lets it send in one run`
      return over(reason, "raise the rule's budget_mib, or start the machine again")
    }
    if (this.#usedBytes + bytes > this.#limitBytes) {
      const reason = `this machine has sent ${mib(this.#usedBytes)} of the ${mib(this.#limitBytes)} MiB that it may send in one run`
      return over(reason, "raise [egress] budget_mib in the machine's card, and start it again")
    }
    this.add(bytes, spender)
    return null
  }

  #accountOf(host: string, rule: string): { usedBytes: number } {
    const full = this.#accounts.size >= MAX_ACCOUNTS
    const key = `${rule} ${host}`
    const known = this.#accounts.get(key) ?? (full ? this.#accounts.get(`${rule} *`) : undefined)
    if (known) return known
    const made = { host: full ? "*" : host, rule, usedBytes: 0 }
    this.#accounts.set(full ? `${rule} *` : key, made)
    return made
  }
}

function over(reason: string, hint: string): Refusal {
  return { status: 429, rule: "egress/budget", reason, hint }
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(2)
}
