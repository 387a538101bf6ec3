/** One machine as the host service serves it: its three sockets, its policy, its place in the archive. */

import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { GuestIdentity } from "../contract/control.ts"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { MachineHome } from "../contract/home.ts"
import { type MachineRecord, machineRecord } from "../contract/machine-record.ts"
import type { Envelope } from "../contract/uplink.ts"
import { openAllowance } from "./allowance.ts"
import { appendAudit } from "./archive/audit.ts"
import { appendEnvelopes, compareAccounts } from "./archive/envelopes.ts"
import type { AskDesk, AskedCall, AskOutcome } from "./ask/ask-desk.ts"
import { attestMachine } from "./attest-machine.ts"
import type { Attestation } from "./attestation/attestation.ts"
import type { BudgetState } from "./byte-budget.ts"
import type { Gateway } from "./call.ts"
import { type CallInFlight, CallsInFlight } from "./calls-in-flight.ts"
import { controlEgress, type EgressControl } from "./egress-control.ts"
import type { Log } from "./exchange.ts"
import { carryCall } from "./gateway.ts"
import { type ControlLink, openControlLink } from "./guest/control-link.ts"
import { openEgressListener } from "./guest/egress-listener.ts"
import type { GuestStream } from "./guest/guest-stream.ts"
import { openUplinkLink } from "./guest/uplink-link.ts"
import { limitLog } from "./limit-log.ts"
import { openMachineEgress } from "./machine-egress.ts"
import { openPace, type Pace } from "./pace.ts"
import { readServiceUser } from "./read-service-user.ts"

/** What a machine may have refused; at most 90 kB of the archive each. */
const REFUSALS = { burst: 50, perSecond: 20, maxWaiting: 600 } // more than there are streams at one time
/** What a machine may ask of a person. */
const QUESTIONS = { burst: 40, perSecond: 2, maxWaiting: 64 }
/** What a guest may say of its exchanges: half a kilobyte each, as long as it is honest. */
const ENVELOPE_BYTES = { burst: 8 * 1024 * 1024, perSecond: 128 * 1024 }

export interface AttachedMachine extends AsyncDisposable {
  readonly record: MachineRecord
  /** What it has sent in this run, and what it may send. */
  readonly budget: () => BudgetState
  readonly egress: EgressControl
  readonly control: ControlLink
  readonly attestation: Attestation
}

/** Serves a machine until it is disposed of. */
export async function attachMachine(
  gateway: Gateway,
  policiesDir: string,
  home: MachineHome,
  record: MachineRecord,
): Promise<AttachedMachine> {
  const log = limitLog((line) => gateway.log(`${record.name}: ${line}`), gateway.now)
  const detached = new AbortController()
  const calls = new CallsInFlight()
  const { name: machine, runId, team, project, placeholders } = record
  const caller = { machine, runId, team, project }
  const user = readServiceUser()
  const rules = await openMachineEgress({
    ...{ setsDir: join(policiesDir, "egress"), sets: record.egressSets, liveRules: home.liveRules, runId },
    ...{ calls, now: gateway.now, log },
    audit: (entry) => {
      const row = { at_ms: gateway.now(), machine, run_id: runId, ...user, ...entry }
      return appendAudit(gateway.archive.database, row)
    },
  })
  const refusals = tellLost(openPace(REFUSALS, gateway.now, detached.signal), log)
  const allowance = await openAllowance(gateway, record, detached.signal)
  const attestation = await attestMachine(gateway, record, calls, log)
  const known = {
    ...{ caller, placeholders, detached: detached.signal, refusals, calls, allowance },
    policy: () => rules.policy(),
    isAsking: () => rules.desk.isOpen,
    ask: askPerson(rules.desk, openPace(QUESTIONS, gateway.now, detached.signal), detached.signal),
    refuses: (call: Pick<CallInFlight, "request" | "rule">) => rules.refuses(call),
    gate: () => attestation.gate(),
    settled: () => attestation.settled(),
  }
  const inFlight = new Set<Promise<void>>()
  const onCall = (stream: GuestStream) => {
    const call = carryCall(gateway, known, stream).finally(() => inFlight.delete(call))
    inFlight.add(call)
    return call
  }
  const egress = await openEgressListener(home.egressSocket, { log, onCall })
  const identity = () => identityOf(record, gateway)
  const control = openControlLink({
    socketPath: home.controlSocket,
    identity,
    onMeasurement: (line) => attestation.take(line),
    onUnidentified: () => attestation.restarted(),
    now: gateway.now,
    log,
  })
  const envelopes = openPace(ENVELOPE_BYTES, gateway.now, detached.signal)
  const onEnvelopes = async (batch: readonly Envelope[]) => {
    await envelopes(JSON.stringify(batch).length)
    await keepEnvelopes(gateway, runId, batch)
  }
  const uplink = openUplinkLink({
    ...{ socketPath: home.uplinkSocket, onEnvelopes, log },
    onRestart: () => control.verify(),
  })
  return {
    record,
    budget: () => allowance.budget.state,
    egress: controlEgress(machine, rules, user, gateway.now),
    control,
    attestation,
    async [Symbol.asyncDispose]() {
      detached.abort()
      attestation[Symbol.dispose]()
      rules[Symbol.dispose]()
      for (const part of [egress, control, uplink]) await part[Symbol.asyncDispose]()
      await Promise.allSettled(inFlight) // their streams are gone, so each is being sealed
    },
  }
}

/** Null when nobody is there to be asked. */
function askPerson(desk: AskDesk, pace: Pace, detached: AbortSignal) {
  return async (call: AskedCall, gone: AbortSignal): Promise<AskOutcome | null> => {
    if (!desk.isOpen) return null
    if (!(await pace(1))) return { kind: "refused", reason: "too many requests wait to be asked about" }
    return desk.ask(call, AbortSignal.any([gone, detached]))
  }
}

/** `machine.json` as the launcher wrote it. Faults: `host/no-machine`, `host/bad-record`. */
export async function readMachineRecord(home: MachineHome): Promise<MachineRecord> {
  let text: string
  try {
    text = await readFile(home.record, "utf8")
  } catch (thrown) {
    throw new Fault("host/no-machine", `${home.record} cannot be read: ${reasonOf(thrown)}`, {
      cause: thrown,
    })
  }
  try {
    return machineRecord.parse(JSON.parse(text))
  } catch (thrown) {
    throw new Fault("host/bad-record", `${home.record}: ${reasonOf(thrown)}`, { cause: thrown })
  }
}

/** What is not recorded is at least counted by the log. */
function tellLost(pace: Pace, log: Log): Pace {
  return async (cost) => {
    const isItsTurn = await pace(cost)
    if (!isItsTurn) log("too many refusals wait: one is not recorded")
    return isItsTurn
  }
}

async function keepEnvelopes(gateway: Gateway, runId: string, batch: readonly Envelope[]): Promise<void> {
  const { database } = gateway.archive
  await appendEnvelopes(database, runId, batch, gateway.now())
  for (const one of batch) await compareAccounts(database, runId, one.id, gateway.now())
}

function identityOf(record: MachineRecord, gateway: Gateway): GuestIdentity {
  const placeholders = gateway.sources.definitions.flatMap(({ name, placeholder }) => {
    const issued = record.placeholders[name]
    return issued === undefined ? [] : [[placeholder.environment, issued]]
  })
  return {
    name: record.name,
    runId: record.runId,
    epochMs: gateway.now(),
    entropyHex: randomBytes(64).toString("hex"),
    env: { ...record.env, ...Object.fromEntries(placeholders) },
    ssh: { authorizedKey: record.ssh.clientPublicKey, hostPrivateKey: record.ssh.hostPrivateKey },
  }
}
