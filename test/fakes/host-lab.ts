/** A host service over a temporary home with one machine that no QEMU runs: the whole second wall, no VM. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { canonicalRuleset, digestRuleset } from "../../contract/canonical-ruleset.ts"
import { type Home, homeLayout, type MachineHome, machineLayout } from "../../contract/home.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import type { MachineRecord } from "../../contract/machine-record.ts"
import { digestUnitSet, renderUnitSet } from "../../contract/unit-set.ts"
import { projectDir } from "../rules/sources.ts"
import { FAKE_MEASURED } from "./measured.ts"

/** What the provider knows; must never be seen anywhere else. */
export const REAL_KEY = "sk-ant-real-0123456789abcdefghijklmnopqrstuvwxyz"
export const PLACEHOLDER = "sk-ant-api03-stereo-placeholder-of-this-machine"
export const OPENAI_REAL_KEY = "sk-proj-real-abcdefghijklmnopqrstuvwxyz0123456789"
export const OPENAI_PLACEHOLDER = "sk-proj-stereo-placeholder-of-this-machine"

export interface HostLab extends Disposable {
  readonly home: Home
  readonly machine: MachineHome
  readonly record: MachineRecord
  readonly policiesDir: string
}

export interface LabOptions {
  /** The fake provider's address, for both providers. */
  readonly upstream: string
  readonly egressSets?: readonly string[]
  /** More of host.toml. */
  readonly hostConfig?: string
  /** More of machine.json. */
  readonly record?: Partial<MachineRecord>
  /** Egress sets beside the project's, by name, as TOML. */
  readonly moreSets?: Readonly<Record<string, string>>
}

/** Makes home, host.toml and machine.json. */
export function openHostLab(options: LabOptions): HostLab {
  const root = mkdtempSync(join(tmpdir(), "stereo-lab-"))
  const home = homeLayout(root)
  const made = makeRecord(options.egressSets ?? ["anthropic", "openai"], makeImage(root))
  const record = { ...made, ...options.record }
  const machine = machineLayout(home, record.name)
  mkdirSync(dirname(machine.egressSocket), { recursive: true, mode: 0o700 })
  writeFileSync(machine.record, JSON.stringify(record), { mode: 0o600 })
  const config = [
    `[providers.anthropic]\nkey = "${REAL_KEY}"\nupstream = "${options.upstream}"`,
    `[providers.openai]\nkey = "${OPENAI_REAL_KEY}"\nupstream = "${options.upstream}"`,
    options.hostConfig ?? "",
  ]
  writeFileSync(home.hostConfig, config.join("\n\n"), { mode: 0o600 })
  const policiesDir = join(root, "policies")
  cpSync(join(projectDir, "policies"), policiesDir, { recursive: true })
  for (const [name, text] of Object.entries(options.moreSets ?? {})) {
    writeFileSync(join(policiesDir, "egress", `${name}.toml`), text)
  }
  return { home, machine, record, policiesDir, [Symbol.dispose]: () => rmSync(root, { recursive: true }) }
}

/** The folder of an image that the fake guest of test/fakes/guest.ts is found to be. */
function makeImage(root: string): MachineRecord["image"] {
  const dir = join(root, "image")
  const digest = "0".repeat(64)
  const [ruleset, units] = [canonicalRuleset(FAKE_MEASURED.ruleset), renderUnitSet(FAKE_MEASURED.units)]
  mkdirSync(dir)
  writeFileSync(join(dir, "ruleset.json"), ruleset)
  writeFileSync(join(dir, "units.json"), units)
  const measurements = { rulesetSha256: digestRuleset(ruleset), unitsSha256: digestUnitSet(units) }
  return { name: "base", plan: digest, rootHash: FAKE_MEASURED.root.hash, measurements, dir }
}

function makeRecord(egressSets: readonly string[], image: MachineRecord["image"]): MachineRecord {
  return {
    schema: 1,
    name: "lab",
    runId: newIdentifier(Date.now()),
    image,
    accelerator: "tcg",
    state: "running",
    failure: null,
    owner: null,
    ephemeral: false,
    // stands for a QEMU that lives as long as the test
    qemu: thisProcess(),
    createdAt: new Date().toISOString(),
    team: "research",
    project: "first-light",
    resources: { cpus: 1, memoryMib: 512, diskMib: 64 },
    egressSets: [...egressSets],
    env: { COLOUR: "green" },
    placeholders: { anthropic: PLACEHOLDER, openai: OPENAI_PLACEHOLDER },
    ssh: { clientPublicKey: "c", clientPrivateKey: "k", hostPublicKey: "h", hostPrivateKey: "p" },
  }
}

function thisProcess(): NonNullable<MachineRecord["qemu"]> {
  const stat = readFileSync("/proc/self/stat", "utf8")
  const startTicks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0"
  return { pid: process.pid, startTicks }
}
