/** What may leave a machine: of a running one what is in force and what its kernel has loaded. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { canonicalRuleset } from "../../contract/canonical-ruleset.ts"
import { describeLiveRule } from "../../contract/describe-live-rule.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { EgressReport } from "../../contract/host-egress-api.ts"
import type { MachineRecord } from "../../contract/machine-record.ts"
import { readEgressSets } from "../../host-proxy/policy/read-egress-sets.ts"
import type { HostClient } from "../../machine/host-client.ts"
import { isAlive } from "../../machine/process-ref.ts"
import type { EgressView, InnerWall } from "../../review/egress-view.ts"
import type { CliContext } from "../context.ts"
import { findHost } from "../ensure-host.ts"

const GUEST_DEADLINE_MS = 20_000

export async function readMachineView(
  target: string,
  record: MachineRecord,
  context: CliContext,
): Promise<EgressView> {
  const { name } = record
  const alive = record.qemu !== null && isAlive(record.qemu)
  using host = alive ? await findHost(context) : null
  if (host === null) {
    const why = alive ? "the host service does not run, so nothing leaves at this moment" : "it does not run"
    return await readStopped(target, record, context, why)
  }
  const report = await context.progress.step(`What is in force for ${name}`, () => ask(host, name, context))
  return {
    ...{ target, kind: "machine", ...describeLive(report) },
    readFrom: `the host service, which has it in force for the running machine ${name} since ${report.reloadedAt}`,
    wall: await readLoadedWall(host, record, context),
  }
}

const ASKING = "it asks: what no rule allows waits for a person's answer, who may let one request out"

/** What was made by hand ends by itself: its last day stands where a set's expiry does. */
function describeLive(report: EgressReport): Pick<EgressView, "notes" | "policy" | "endingDenials"> {
  const { policy, liveRules } = report
  const made = liveRules.map((rule) => `made by hand: ${describeLiveRule(rule)}`)
  const notes = report.mode === "ask" ? [ASKING, ...made] : made
  const ending = liveRules.flatMap((rule) => (rule.kind === "deny" && rule.until ? [rule.denial.id] : []))
  if (policy.kind === "broken") return { notes, policy, endingDenials: ending }
  const lastDays = new Map(
    liveRules.flatMap((rule) =>
      rule.kind === "allow" && rule.until ? [[rule.grant.id, rule.until.slice(0, 10)] as const] : [],
    ),
  )
  const grants = policy.grants.map((one) => ({ ...one, expires: lastDays.get(one.id) ?? one.expires }))
  return { notes, policy: { ...policy, grants }, endingDenials: ending }
}

async function ask(host: HostClient, name: string, context: CliContext): Promise<EgressReport> {
  return host.egress(name, AbortSignal.any([context.signal, AbortSignal.timeout(GUEST_DEADLINE_MS)]))
}

async function readStopped(
  target: string,
  record: MachineRecord,
  context: CliContext,
  why: string,
): Promise<EgressView> {
  return {
    ...{
      target,
      kind: "machine",
      endingDenials: [],
      notes: [`${why}; this is what a start would put in force`],
    },
    readFrom: `the record of the machine ${record.name} and policies/egress`,
    policy: await readEgressSets(join(context.projectDir, "policies", "egress"), record.egressSets),
    wall: await readImageWall(record),
  }
}

/** The kernel's own listing; where it is the measured one, in the words of the image's file. */
async function readLoadedWall(
  host: HostClient,
  record: MachineRecord,
  context: CliContext,
): Promise<InnerWall> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(GUEST_DEADLINE_MS)])
  try {
    const canonical = canonicalRuleset(await host.firewall(record.name, signal))
    const built = await readImageWall(record)
    const from = `what the kernel of ${record.name} has loaded, as its guest says over the control channel`
    if (built.kind === "ruleset" && built.canonical === canonical) {
      return { ...built, canonical, from: `${from}; it is the image's measured firewall.nft` }
    }
    return { kind: "ruleset", from: `${from}; it is NOT the image's measured one`, text: null, canonical }
  } catch (thrown) {
    context.signal.throwIfAborted()
    return { kind: "unknown", why: `the kernel's rules could not be had: ${reasonOf(thrown)}` }
  }
}

async function readImageWall({ image }: MachineRecord): Promise<InnerWall> {
  const { manifest } = await import("../../contract/manifest.ts")
  const { parseToml } = await import("../../contract/toml.ts")
  const { readBuiltWall } = await import("./read-built-parts.ts")
  try {
    const file = join(image.dir, "manifest.toml")
    const parsed = parseToml({ text: await readFile(file, "utf8"), file, stage: "image" }, manifest)
    return await readBuiltWall(image.dir, parsed, `the image ${image.name} that it was started from`)
  } catch (thrown) {
    const gone = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT"
    if (!gone && !(thrown instanceof Fault)) throw thrown
    return { kind: "unknown", why: `its image cannot be read: ${reasonOf(thrown)}` }
  }
}
