/** `stereo ls`: the machines, with what is really alive. */

import type { Command } from "commander"
import { jsonText } from "../contract/json-text.ts"
import { isAlive } from "../machine/process-ref.ts"
import type { MachineFolder } from "../machine/record-store.ts"
import type { CliContext } from "./context.ts"
import { printTable } from "./print-table.ts"

interface Row {
  readonly name: string
  /** The record's state, checked against the processes; `broken` when the record cannot be read. */
  readonly state: string
  readonly failure: string | null
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
      const rows = (await listMachines(context.home)).map(describe)
      context.print(options.json ? jsonText(rows) : render(rows, context.now()))
    })
}

function describe({ name, record }: MachineFolder): Row {
  const { image, accelerator, isolation, runId, createdAt, team, project } = record ?? {}
  return {
    name,
    state: stateOf(record),
    failure: record === null ? "its record cannot be read; `stereo rm -f` removes it" : record.failure,
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
    row.failure ?? "",
  ])
  return printTable(["NAME", "STATE", "IMAGE", "ACCEL", "AGE", "TEAM", "PROJECT", ""], table)
}

function describeAge(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`
  if (minutes < 120) return `${minutes} min`
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`
}
