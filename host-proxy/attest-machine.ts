/** A machine's attestation with what it needs of the rest: the promise, the record's memory, the calls under way. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { digestRuleset } from "../contract/canonical-ruleset.ts"
import { reasonOf } from "../contract/fault.ts"
import type { MachineRecord } from "../contract/machine-record.ts"
import { digestUnitSet } from "../contract/unit-set.ts"
import { appendFinding } from "./archive/envelopes.ts"
import { Attestation } from "./attestation/attestation.ts"
import type { Expected, Mismatch } from "./attestation/judge-measurement.ts"
import type { Gateway } from "./call.ts"
import type { CallsInFlight } from "./calls-in-flight.ts"
import type { Log } from "./exchange.ts"

/** Findings that close a run for good, also over a restart of this service. */
const CLOSING = [
  ...(["attestation/ruleset", "attestation/root", "attestation/units", "attestation/boot"] as const),
]

export async function attestMachine(
  gateway: Gateway,
  record: MachineRecord,
  calls: CallsInFlight,
  log: Log,
): Promise<Attestation> {
  const { now } = gateway
  const onFinding = (kind: string, detail: string) => {
    const found = { run_id: record.runId, exchange_id: null, kind, detail, found_at_ms: now() }
    appendFinding(gateway.archive.database, found).catch((thrown) =>
      log(`the finding is not recorded: ${reasonOf(thrown)}`),
    )
  }
  const onClosed = (reason: string) => {
    const cut = calls.cutWhere(() => reason)
    log(`the wire is closed, ${cut} calls under way were cut`)
  }
  const before = await readClosing(gateway, record.runId)
  return new Attestation({ expected: await readExpected(record), before, now, log, onClosed, onFinding })
}

/** The digests are the record's; the texts behind them only serve words, and only if they are those. */
async function readExpected({ image }: MachineRecord): Promise<Expected> {
  const { rulesetSha256, unitsSha256 } = image.measurements
  const ruleset = await readText(join(image.dir, "ruleset.json"))
  const units = await readText(join(image.dir, "units.json"))
  return {
    image: image.name,
    digests: { rootHash: image.rootHash, rulesetSha256, unitsSha256 },
    ruleset: ruleset !== null && digestRuleset(ruleset) === rulesetSha256 ? ruleset : null,
    units: units !== null && digestUnitSet(units) === unitsSha256 ? units : null,
  }
}

/** Null when it is not there: an image may be removed under a running machine. */
async function readText(path: string): Promise<string | null> {
  return readFile(path, "utf8").catch(() => null)
}

/** What closed this run before the service was started anew; null when nothing did. */
async function readClosing(gateway: Gateway, runId: string): Promise<Mismatch | null> {
  const rows = await gateway.archive.database
    .selectFrom("findings")
    .select(["kind", "detail"])
    .where("run_id", "=", runId)
    .where("kind", "in", CLOSING)
    .orderBy("id")
    .execute()
  const row = rows.at(-1)
  const rule = CLOSING.find((kind) => kind === row?.kind)
  return row && rule ? { rule, reason: row.detail } : null
}
