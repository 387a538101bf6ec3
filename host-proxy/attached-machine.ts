/** One machine as the host service serves it: its three sockets, its policy, its place in the archive. */

import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { GuestIdentity } from "../contract/control.ts"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { MachineHome } from "../contract/home.ts"
import { type MachineRecord, machineRecord } from "../contract/machine-record.ts"
import type { Envelope } from "../contract/uplink.ts"
import { appendEnvelopes, appendFinding, compareAccounts } from "./archive/envelopes.ts"
import type { Gateway } from "./call.ts"
import { CallsInFlight } from "./calls-in-flight.ts"
import type { Log } from "./exchange.ts"
import { carryCall } from "./gateway.ts"
import { type ControlLink, openControlLink } from "./guest/control-link.ts"
import { openEgressListener } from "./guest/egress-listener.ts"
import type { GuestStream } from "./guest/guest-stream.ts"
import { openUplinkLink } from "./guest/uplink-link.ts"
import { limitLog } from "./limit-log.ts"
import { type MachineEgress, openMachineEgress } from "./machine-egress.ts"
import { openPace } from "./pace.ts"

/** What a machine may have refused; at most 90 kB of the archive each. */
const REFUSALS = { burst: 50, perSecond: 20 }
/** What a guest may say of its exchanges: half a kilobyte each, as long as it is honest. */
const ENVELOPE_BYTES = { burst: 8 * 1024 * 1024, perSecond: 128 * 1024 }

export interface AttachedMachine extends AsyncDisposable {
  readonly record: MachineRecord
  readonly egress: MachineEgress
  readonly control: ControlLink
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
  const rules = await openMachineEgress({
    ...{ setsDir: join(policiesDir, "egress"), sets: record.egressSets, calls, now: gateway.now, log },
  })
  const { name: machine, runId, team, project, placeholders } = record
  const caller = { machine, runId, team, project }
  const refusals = openPace(REFUSALS, gateway.now, detached.signal)
  const known = {
    ...{ caller, placeholders, detached: detached.signal, refusals, calls },
    policy: () => rules.policy(),
    gate: () => null,
  }
  const inFlight = new Set<Promise<void>>()
  const onCall = (stream: GuestStream) => {
    const call = carryCall(gateway, known, stream).finally(() => inFlight.delete(call))
    inFlight.add(call)
    return call
  }
  const egress = await openEgressListener(home.egressSocket, { log, onCall })
  const identity = () => identityOf(record, gateway)
  const onFirewallGone = () => void reportFirewall(gateway, runId, log)
  const control = openControlLink({
    socketPath: home.controlSocket,
    identity,
    onFirewallGone,
    now: gateway.now,
    log,
  })
  const envelopes = openPace(ENVELOPE_BYTES, gateway.now, detached.signal)
  const onEnvelopes = async (batch: readonly Envelope[]) => {
    await envelopes(JSON.stringify(batch).length)
    await keepEnvelopes(gateway, runId, batch)
  }
  const onRestart = () => control.verify()
  const uplink = openUplinkLink({ socketPath: home.uplinkSocket, onEnvelopes, onRestart, log })
  return {
    record,
    egress: rules,
    control,
    async [Symbol.asyncDispose]() {
      detached.abort()
      for (const part of [egress, control, uplink]) await part[Symbol.asyncDispose]()
      await Promise.allSettled(inFlight) // their streams are gone, so each is being sealed
    },
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

/** The host's wall does not depend on the guest's; but whoever took the guest's down is worth a look. */
async function reportFirewall(gateway: Gateway, runId: string, log: Log): Promise<void> {
  const detail = "the guest's packet filter was loaded and is there no more"
  log(detail)
  try {
    const found = { run_id: runId, exchange_id: null, kind: "guest/firewall-gone", detail }
    await appendFinding(gateway.archive.database, { ...found, found_at_ms: gateway.now() })
  } catch (thrown) {
    log(`the finding is not recorded: ${reasonOf(thrown)}`)
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
