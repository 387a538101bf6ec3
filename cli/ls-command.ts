/** `stereo ls`: the machines, with what is really alive. */

import type { Command } from "commander"
import type { AttestationState } from "../contract/measurement.ts"
import { isAlive } from "../machine/process-ref.ts"
import type { MachineFolder } from "../machine/record-store.ts"
import type { CliContext } from "./context.ts"
import { findHost } from "./ensure-host.ts"
import { printTable } from "./print-table.ts"
import { printableLine } from "./printable-line.ts"

/** A host service that hangs must not hold up the list. */
const ASK_MS = 2_000

interface Row {
  readonly name: string
  /** The record's state, checked against the processes; `broken` when the record cannot be read. */
  readonly state: string
  readonly failure: string | null
  /** Whether it is what its manifest promised; null when no host service says. */
  readonly attestation: AttestationState | null
  readonly image: string | null
  readonly accelerator: string | null
  readonly isolation: string | null
  readonly runId: string | null
  readonly createdAt: string | null
  readonly team: string | null
  readonly project: string | null
  readonly cpus: number | null
  readonly memoryMib: number | null
  readonly qemuPid: number | null
}

export function addLsCommand(program: Command, context: CliContext): void {
  program
    .command("ls")
    .description("list the machines")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo ls --json")
    .action(async (options: { json?: boolean }) => {
      const { listMachines } = await import("../machine/record-store.ts")
      const { sweepMachines } = await import("../machine/sweep.ts")
      await sweepMachines(context.home, context.now())
      const folders = await listMachines(context.home)
      const attested = await askAttestations(context, folders)
      const rows = folders.map((folder) => describe(folder, attested.get(folder.name) ?? null))
      context.print(options.json ? `${JSON.stringify(rows, null, 2)}\n` : render(rows, context.now()))
    })
}

/** What a host service that runs says of the machines that run; none is started to be asked. */
async function askAttestations(
  context: CliContext,
  folders: readonly MachineFolder[],
): Promise<ReadonlyMap<string, AttestationState>> {
  const running = folders.filter(({ record }) => stateOf(record) === "running")
  if (running.length === 0) return new Map()
  using host = await findHost(context)
  if (host === null) return new Map()
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ASK_MS)])
  const asked = running.map(async ({ name }) => {
    const state = await host.attestation(name, signal).catch(() => {
      context.signal.throwIfAborted()
      return null // it does not serve that machine, or hangs
    })
    return state === null ? [] : [[name, state] as const]
  })
  return new Map((await Promise.all(asked)).flat())
}

function describe({ name, record }: MachineFolder, attestation: AttestationState | null): Row {
  const { image, accelerator, isolation, runId, createdAt, team, project } = record ?? {}
  return {
    name,
    state: stateOf(record),
    failure: record === null ? "its record cannot be read; `stereo rm -f` removes it" : record.failure,
    attestation,
    image: image?.name ?? null,
    accelerator: accelerator ?? null,
    isolation: isolation ?? null,
    runId: runId ?? null,
    createdAt: createdAt ?? null,
    team: team ?? null,
    project: project ?? null,
    cpus: record?.resources.cpus ?? null,
    memoryMib: record?.resources.memoryMib ?? null,
    qemuPid: record?.qemu?.pid ?? null,
  }
}

/** A machine of `run` is looked after by that command; until it has noticed an end, this does. */
function stateOf(record: MachineFolder["record"]): string {
  if (record === null) return "broken"
  const gone = record.qemu !== null && !isAlive(record.qemu)
  return gone && (record.state === "running" || record.state === "starting") ? "ending" : record.state
}

function render(rows: readonly Row[], nowMs: number): string {
  if (rows.length === 0) return "no machines; `stereo up` starts one\n"
  const table = rows.map((row) => [
    row.name,
    row.state,
    row.image ?? "-",
    row.accelerator ?? "-",
    row.createdAt === null ? "-" : describeAge(nowMs - Date.parse(row.createdAt)),
    row.team ?? "-",
    row.project ?? "-",
    row.failure ?? describeClosed(row.attestation),
  ])
  return printTable(["NAME", "STATE", "IMAGE", "ACCEL", "AGE", "TEAM", "PROJECT", ""], table)
}

/** A machine that is not let out runs all the same, so it is said beside its state. */
function describeClosed(attestation: AttestationState | null): string {
  if (attestation === null || attestation.state === "attested") return ""
  return printableLine(`nothing leaves it: ${attestation.rule}: ${attestation.reason}`, 160)
}

function describeAge(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`
  if (minutes < 120) return `${minutes} min`
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`
}
