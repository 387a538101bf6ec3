/** `stereo egress attack`: the battery of attacks on one running machine, judged by witnesses on the host. */

import { randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { type Command, Option } from "commander"
import { z } from "zod"
import type { World } from "../../attack/target.ts"
import { Fault } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { CliContext } from "../context.ts"
import { printTable } from "../print-table.ts"
import { printableLine } from "../printable-line.ts"
import { PHASES, type Phase, reachPhase } from "./attack-phases.ts"
import { openServedMachine } from "./open-served-machine.ts"

interface AttackOptions {
  readonly phase: Phase | "all"
  readonly only: readonly string[]
  readonly witness: readonly string[]
  readonly card?: string
  readonly world?: string
  readonly junit?: string
  readonly list?: boolean
  readonly json?: boolean
}

const HELP = `
As the agent and as root of the guest, every way out that is known is tried; what came of it is read from a
capture of QEMU's wire, canary servers, a DNS sink, QEMU's network namespace and the archive, never from the
guest. Root's part takes the guest's packet filter away at its end: the host then closes the machine's wire
until it is started again. docs/attack-battery.md says how to read the table.

Exit code: 0 all that is promised held, 2 something got through, 1 the battery could not prove it.

Examples:
  $ stereo egress attack demo
  $ stereo egress attack demo --only G2 --only 62-foreign-key-files
  $ stereo egress attack demo --phase all --junit attack.xml
  $ stereo egress attack --list`

export function addAttackCommand(egress: Command, context: CliContext): void {
  const collect = (value: string, before: readonly string[]) => [...before, value]
  egress
    .command("attack")
    .description("try every known way out of a running machine, and show what witnesses on the host saw")
    .argument("[machine]")
    .addOption(
      new Option("--phase <when>", "fresh as it is, or after what")
        .choices([...PHASES, "all"])
        .default("fresh"),
    )
    .option("--only <what>", "a group (G1 to G6) or a vector's id; may be given again", collect, [])
    .option(
      "--witness <address>",
      "another address of this host for canaries; may be given again",
      collect,
      [],
    )
    .option("--card <path>", "the card that the machine was started with, for phases that start it again")
    .option("--list", "show the vectors, and try none")
    .option("--json", "print as JSON")
    .option("--junit <file>", "write the outcome as JUnit XML, too")
    .addOption(
      new Option("--world <file>", "a network made for the attack, as test/attack makes it").hideHelp(),
    )
    .addHelpText("after", HELP)
    .action((machine: string | undefined, options: AttackOptions) => attack(context, machine, options))
}

async function attack(context: CliContext, name: string | undefined, options: AttackOptions): Promise<void> {
  const { allVectors } = await import("../../attack/plan-cases.ts")
  const unknown = options.only.find((one) => !allVectors.some(({ id, group }) => id === one || group === one))
  if (unknown !== undefined) {
    throw new Fault("attack/unknown-vector", `there is no group or vector called "${unknown}"`, {
      hint: "`stereo egress attack --list` shows them all",
    })
  }
  if (options.list) return list(context, options)
  if (name === undefined)
    throw new Fault("attack/no-machine", "which machine?", { hint: "`stereo ls` shows them" })
  const world = options.world === undefined ? null : await readWorld(options.world)
  const phases = options.phase === "all" ? PHASES : [options.phase]
  const outcomes = []
  for (const phase of phases) {
    await reachPhase(context, { name, card: options.card }, phase)
    outcomes.push({ phase, ...(await attackOnce(context, name, options, world)) })
  }
  const { renderJunit } = await import("../../attack/report/render-results.ts")
  if (options.junit !== undefined) await writeFile(options.junit, renderJunit(name, outcomes))
  await print(context, outcomes, options.json === true)
}

async function attackOnce(context: CliContext, name: string, options: AttackOptions, world: World | null) {
  const { attackMachine } = await import("../../attack/attack.ts")
  const { readRecord } = await import("../../machine/record-store.ts")
  using machine = await openServedMachine(context, name)
  const { openAttackTarget } = await import("./open-attack-target.ts")
  const target = await openAttackTarget(context, machine.host, await readRecord(context.home, name))
  return await attackMachine({
    target,
    surroundings: { witnesses: options.witness, world },
    only: options.only,
    nonce: randomBytes(3).toString("hex"),
    progress: context.progress,
    now: context.now,
  })
}

async function list(context: CliContext, options: AttackOptions): Promise<void> {
  const { allVectors } = await import("../../attack/plan-cases.ts")
  const { seenElsewhere } = await import("../../attack/vectors/elsewhere.ts")
  const wanted = allVectors.filter(
    ({ id, group }) => options.only.length === 0 || options.only.includes(id) || options.only.includes(group),
  )
  if (options.json) return context.print(jsonText({ vectors: wanted, seenElsewhere }))
  const rows = wanted.map((one) => [one.group, one.id, one.from.join(", "), one.expected, one.title])
  context.print(printTable(["group", "vector", "from", "expected", "what"], rows))
  context.print(`\n${wanted.length} vectors\n\nSeen in other systems, with nothing to stand on here:\n`)
  for (const one of seenElsewhere) context.print(`  ${one.seenIn}\n    ${one.reason}\n`)
}

type Outcomes = Parameters<typeof import("../../attack/report/render-results.ts").renderJunit>[1]

async function print(context: CliContext, outcomes: Outcomes, json: boolean): Promise<void> {
  const { renderRows, TABLE_HEADER, toJson } = await import("../../attack/report/render-results.ts")
  const { summarise } = await import("../../attack/summarise.ts")
  const { slowest, ...summary } = summarise(outcomes)
  context.exitWith(summary.exitCode)
  if (json) {
    const phases = outcomes.map(toJson)
    return context.print(jsonText({ summary: { ...summary, slowestRefusalMs: slowest?.ms ?? null }, phases }))
  }
  for (const outcome of outcomes) {
    context.print(`${outcome.phase}\n`)
    // a guest chose some of it: hosts, paths, the words of an error
    const rows = renderRows(outcome).map((row) => row.map((cell) => printableLine(cell, 100)))
    context.print(printTable(TABLE_HEADER, rows))
    for (const stray of outcome.strays) context.print(`GOT THROUGH: ${printableLine(stray, 200)}\n`)
    context.print("\n")
  }
  const { held, through, untried, skipped, strays } = summary
  context.print(
    `${held} held, ${through + strays} got through, ${untried} not tried, ${skipped} not promised or not applicable\n`,
  )
  if (slowest) context.print(`slowest refusal: ${slowest.attack.vector.id}, ${slowest.ms} ms\n`)
}

const worldFile = z.strictObject({ upstreamPort: z.int(), certificate: z.string(), key: z.string() })

async function readWorld(path: string): Promise<World> {
  const { upstreamPort, certificate, key } = worldFile.parse(JSON.parse(await readFile(path, "utf8")))
  return { upstreamPort, tls: { certificate, key } }
}
