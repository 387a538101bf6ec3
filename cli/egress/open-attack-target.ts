/** Lends the battery what it needs of a running machine: exec, QEMU's monitor, the archive, the policy's hosts. */

import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { PassThrough } from "node:stream"
import type { ArchivedCall } from "../../attack/evidence.ts"
import type { AttackTarget, GuestProcess } from "../../attack/target.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { machineLayout } from "../../contract/home.ts"
import type { MachineRecord } from "../../contract/machine-record.ts"
import { matchesHost } from "../../contract/path-pattern.ts"
import { refusalBody } from "../../contract/verdict.ts"
import type { ArchiveReader } from "../../host-proxy/archive/open-reader.ts"
import type { ExchangeRow } from "../../host-proxy/archive/schema.ts"
import { executeCommand } from "../../machine/execute.ts"
import type { HostClient } from "../../machine/host-client.ts"
import { runQmpCommand } from "../../machine/qmp.ts"
import type { CliContext } from "../context.ts"

const QMP_MS = 5000
const READY_MS = 30_000
const KEPT_COMPLAINTS = 4096

/** Faults: `machine/not-running`, and those of the host service. */
export async function openAttackTarget(
  context: CliContext,
  host: HostClient,
  record: MachineRecord,
): Promise<AttackTarget> {
  const { home, signal } = context
  const layout = machineLayout(home, record.name)
  await host.ready(record.name, READY_MS, signal)
  const { policy } = await host.egress(record.name, signal)
  const patterns = policy.kind === "rules" ? policy.grants.map((grant) => grant.host) : []
  return {
    name: record.name,
    qemuPid: record.qemu?.pid ?? 0,
    vmDir: layout.vm,
    dataDisk: layout.dataDisk,
    console: layout.console,
    imageDir: record.image.dir,
    privatePaths: [home.hostSocket, dirname(home.hostSocket), layout.dir, layout.vm, layout.record],
    allowsHost: (name) => patterns.some((pattern) => matchesHost(pattern, name)),
    start: (user, command) => startInGuest({ context, host, record, user, command }),
    qmp: async (execute, args) => {
      await runQmpCommand(layout.qmpSocket, execute, QMP_MS, args)
    },
    readCalls: (sinceMs) => readCalls(context, record, sinceMs),
  }
}

interface GuestStart {
  readonly context: CliContext
  readonly host: HostClient
  readonly record: MachineRecord
  readonly user: "agent" | "root"
  readonly command: readonly string[]
}

function startInGuest({ context, host, record, user, command }: GuestStart): GuestProcess {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  let complaints = ""
  stderr.on("data", (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-KEPT_COMPLAINTS)
  })
  const streams = { stdin, stdout, stderr, terminal: null }
  const ended = executeCommand({ host, record, user, command, streams, signal: context.signal })
    .then((code) => {
      if (code !== 0) complaints += `\nit ended with exit code ${code}`
    })
    .catch((thrown: unknown) => {
      complaints += reasonOf(thrown)
    })
    .finally(() => stdout.end())
  return {
    send: (line) => stdin.write(`${line}\n`),
    lines: createInterface({ input: stdout })[Symbol.asyncIterator](),
    complaints: () => complaints,
    end: async () => {
      stdin.end()
      await ended
      if (context.signal.aborted) throw context.signal.reason
    },
  }
}

/** Opened anew each time: the host service goes on writing, and may be another one by now. */
async function readCalls(
  context: CliContext,
  record: MachineRecord,
  sinceMs: number,
): Promise<readonly ArchivedCall[]> {
  const { openReader } = await import("../../host-proxy/archive/open-reader.ts")
  const opened = openReader(context.home.archive)
  if (opened === null) {
    throw new Fault("attack/blind-witness", `there is no archive in ${join(context.home.root, "archive")}`)
  }
  await using reader = opened
  const rows = await reader.exchanges({ runId: record.runId })
  return await Promise.all(
    rows.filter((row) => row.started_at_ms >= sinceMs).map((row) => describeRow(reader, row)),
  )
}

async function describeRow(reader: ArchiveReader, row: ExchangeRow): Promise<ArchivedCall> {
  return {
    method: row.method,
    authority: row.authority,
    target: row.target,
    headers: row.request_headers,
    status: row.status,
    outcome: row.outcome,
    rule: row.rule,
    requestBytes: row.request_bytes,
    explained: row.outcome === "refused" ? await isExplained(reader, row.response_sha256) : null,
    startedAtMs: row.started_at_ms,
  }
}

async function isExplained(reader: ArchiveReader, sha256: string): Promise<boolean> {
  const body = (await reader.body(sha256)).toString()
  const parsed = refusalBody.safeParse(JSON.parse(body))
  return parsed.success && parsed.data.error.message !== "" && parsed.data.error.hint !== ""
}
