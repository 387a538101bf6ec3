/** What may leave one machine at this moment, and whatever changes it while the machine runs. */

import { isDeepStrictEqual } from "node:util"
import type { EgressGrant, EgressPolicy } from "../contract/egress-grant.ts"
import type { EgressReport, ReloadReport } from "../contract/host-egress-api.ts"
import type { CallsInFlight } from "./calls-in-flight.ts"
import type { Log } from "./exchange.ts"
import { decideEgress } from "./policy/decide-egress.ts"
import { readEgressSets } from "./policy/read-egress-sets.ts"

export interface MachineEgressOptions {
  /** The folder of the egress sets. */
  readonly setsDir: string
  readonly sets: readonly string[]
  readonly calls: CallsInFlight
  readonly now: () => number
  readonly log: Log
}

export async function openMachineEgress(options: MachineEgressOptions): Promise<MachineEgress> {
  const machine = new MachineEgress(options)
  await machine.reload(null)
  return machine
}

export class MachineEgress {
  readonly #options: MachineEgressOptions
  #policy: EgressPolicy = { kind: "broken", rule: "egress/set-unread", reason: "no set has been read yet" }
  #reloadedAtMs = 0

  constructor(options: MachineEgressOptions) {
    this.#options = options
  }

  policy(): EgressPolicy {
    return this.#policy
  }

  report(): EgressReport {
    return {
      policy: this.#policy,
      mode: "enforce",
      liveRules: [],
      reloadedAt: new Date(this.#reloadedAtMs).toISOString(),
    }
  }

  /** Reads the sets anew; one that is broken or gone closes the machine, calls under way included. */
  async reload(_claimedUser: string | null): Promise<ReloadReport> {
    const { setsDir, sets, now, log } = this.#options
    const before = grantsOf(this.#policy)
    this.#policy = await readEgressSets(setsDir, sets)
    this.#reloadedAtMs = now()
    const policy = this.#policy
    if (policy.kind === "broken") log(`${policy.rule}: ${policy.reason}; nothing may leave`)
    const after = grantsOf(policy)
    return {
      policy: policy,
      opened: missingFrom(before, after),
      closed: missingFrom(after, before),
      cutCalls: this.#cutRefused(),
      reloadedAt: new Date(this.#reloadedAtMs).toISOString(),
    }
  }

  /** Ends the calls under way that would not be allowed now. */
  #cutRefused(): number {
    const today = new Date(this.#options.now()).toISOString().slice(0, 10)
    return this.#options.calls.cutWhere(({ request }) => {
      const verdict = decideEgress(request, this.#policy, today)
      return verdict.kind === "allow" ? null : `the policy changed: ${verdict.rule}: ${verdict.reason}`
    })
  }
}

function grantsOf(policy: EgressPolicy): readonly EgressGrant[] {
  return policy.kind === "broken" ? [] : policy.grants
}

/** Those of `there` that stand nowhere in `here`: by what they mean, not by where they are written. */
function missingFrom(here: readonly EgressGrant[], there: readonly EgressGrant[]): readonly EgressGrant[] {
  const meaning = ({ id: _id, source: _source, ...rest }: EgressGrant) => rest
  return there.filter((one) => !here.some((other) => isDeepStrictEqual(meaning(one), meaning(other))))
}
