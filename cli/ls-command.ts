/** `stereo ls`: the machines, with what is really alive. */

import { type Command, Option } from "commander"
import { reasonOf } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import type { AttestationState } from "../contract/measurement.ts"
import { isAlive } from "../machine/process-ref.ts"
import type { MachineFolder } from "../machine/record-store.ts"
import type { CliContext } from "./context.ts"
import { addCloudOptions, type CloudOptions } from "./ec2/cloud-options.ts"
import { listOnEc2 } from "./ec2/machines-on-ec2.ts"
import { findHost } from "./ensure-host.ts"
import { printTable } from "./print-table.ts"
import { printableLine } from "./printable-line.ts"

const ATTESTATION_MS = 2_000

interface Row {
  readonly name: string
  /** The record's state, checked against the processes; `broken` when the record cannot be read. */
  readonly state: string
  readonly failure: string | null
  /** What the host service finds it to be; null when it does not run, or does not serve the machine. */
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
  const command = program
    .command("ls")
    .description("list the machines, and whether each is what its image promises")
    .option("--json", "print as JSON")
    .addOption(new Option("--on <where>", "those that run elsewhere").choices(["ec2"]))
    .addHelpText(
      "after",
      [
        "\nATTESTED is yes, pending, silent or REFUSED: nothing leaves a machine that has not said of late that its",
        "packet filter, its units and its root are those of its image; see docs/security.md.",
        "\nExamples:",
        "  $ stereo ls --json",
        "  $ stereo ls --on ec2 --region eu-central-1",
      ].join("\n"),
    )
    .action(async (options: CloudOptions & { json?: boolean; on?: "ec2" }) => {
      if (options.on === "ec2") return listOnEc2(context, options)
      const { listMachines } = await import("../machine/record-store.ts")
      const { sweepMachines } = await import("../machine/sweep.ts")
      await sweepMachines(context.home, context.now())
      const machines = await listMachines(context.home)
      const attestations = await readAttestations(context, machines)
      const rows = machines.map((machine) => describe(machine, attestations.get(machine.name) ?? null))
      context.print(options.json ? jsonText(rows) : render(rows, context.now()))
    })
  addCloudOptions(command)
}

/** Of the machines that run; the list is also good without. */
async function readAttestations(
  context: CliContext,
  machines: readonly MachineFolder[],
): Promise<ReadonlyMap<string, AttestationState>> {
  const running = machines.filter(({ record }) => stateOf(record) === "running")
  if (running.length === 0) return new Map()
  using host = await findHost(context)
  if (host === null) return new Map()
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ATTESTATION_MS)])
  const asked = running.map(async ({ name }) => {
    try {
      return [[name, await host.attestation(name, signal)] as const]
    } catch (thrown) {
      process.stderr.write(`stereo: ${name}: whether it is attested is not known: ${reasonOf(thrown)}\n`)
      return []
    }
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
    describeAttestation(row.attestation),
    row.image ?? "-",
    row.accelerator ?? "-",
    row.createdAt === null ? "-" : describeAge(nowMs - Date.parse(row.createdAt)),
    row.team ?? "-",
    row.project ?? "-",
    row.failure ?? printableLine(row.attestation?.reason ?? "", 160),
  ])
  return printTable(["NAME", "STATE", "ATTESTED", "IMAGE", "ACCEL", "AGE", "TEAM", "PROJECT", ""], table)
}

function describeAttestation(attestation: AttestationState | null): string {
  if (attestation === null) return "-"
  if (attestation.state === "attested") return "yes"
  return attestation.state === "refused" ? "REFUSED" : attestation.state
}

function describeAge(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`
  if (minutes < 120) return `${minutes} min`
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`
}
