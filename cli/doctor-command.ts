/** `stereo doctor`: what this host has and lacks, what that means, and what to type. */

import { rm } from "node:fs/promises"
import { join } from "node:path"
import { styleText } from "node:util"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import type { Finding } from "../machine/doctor/finding.ts"
import type { CliContext } from "./context.ts"
import { findHost } from "./ensure-host.ts"

interface DoctorOptions {
  readonly json?: boolean
  readonly probe?: boolean
}

export function addDoctorCommand(program: Command, context: CliContext): void {
  program
    .command("doctor")
    .description("show what this host has and lacks, what that means, and what to type")
    .option("--json", "print as JSON")
    .option("--probe", "try the accelerator again instead of using what was found since the host booted")
    .addHelpText(
      "after",
      "\nThe exit code is 1 when something is missing without which machines or builds cannot work.\n\nExample:\n  $ stereo doctor",
    )
    .action((options: DoctorOptions) => doctor(context, options))
}

async function doctor(context: CliContext, options: DoctorOptions): Promise<void> {
  const { home, signal } = context
  const { examineHost } = await import("../machine/examine-host.ts")
  if (options.probe) await rm(home.probe, { force: true })
  const findings = [
    ...(await examineHost(home, signal)),
    await checkCredentials(context),
    await checkHost(context),
  ]
  context.print(options.json ? jsonText(findings) : findings.map(describe).join(""))
  if (findings.some(({ status }) => status === "fail")) context.exitWith(1)
}

/** Which providers have a real credential; the credentials themselves go no further than this. */
async function checkCredentials(context: CliContext): Promise<Finding> {
  const subject = "credentials"
  const { readCredential, readHostConfig } = await import("../host-proxy/provider/host-config.ts")
  const { readDefinitions } = await import("../host-proxy/provider/read-definitions.ts")
  const definitions = await readDefinitions(join(context.projectDir, "policies", "providers"))
  try {
    const config = await readHostConfig(context.home.hostConfig, definitions)
    const has = definitions.filter((one) => readCredential(one, config, context.environment) !== null)
    const found = has.length === 0 ? "none" : has.map(({ name }) => name).join(", ")
    const meaning = "agents' calls are refused unless the provider has a real credential on the host"
    const fix =
      has.length === 0 ? `write them to ${context.home.hostConfig}, see \`stereo host --help\`` : null
    return { subject, status: has.length === 0 ? "warn" : "ok", found, meaning, fix }
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    const meaning = "the host service does not start with it, and no machine without the service"
    return { subject, status: "fail", found: thrown.message, meaning, fix: thrown.hint ?? null }
  }
}

async function checkHost(context: CliContext): Promise<Finding> {
  const subject = "host service"
  using host = await findHost(context)
  if (host === null) {
    const found = "not running"
    return { subject, status: "ok", found, meaning: "`up` and `run` start it when they need it", fix: null }
  }
  const { pid, version, machines } = await host.health(context.signal)
  const found = `process ${pid}, version ${version}, ${machines.length} machines attached`
  return { subject, status: "ok", found, meaning: "it decides, forwards and records each call", fix: null }
}

function describe({ subject, status, found, meaning, fix }: Finding): string {
  const colour = ({ ok: "green", warn: "yellow", fail: "red" } as const)[status]
  const mark = styleText(colour, status.padEnd(4), { stream: process.stdout })
  const lines = [`${mark}  ${subject.padEnd(16)} ${found}`]
  if (status !== "ok") lines.push(`      ${" ".repeat(16)} ${meaning}`)
  if (fix !== null) lines.push(`      ${" ".repeat(16)} → ${fix}`)
  return `${lines.join("\n")}\n`
}
