/** The battery's path over one machine: witnesses, the agent's attacks, root's attacks, evidence, verdicts. */

import { Fault } from "../contract/fault.ts"
import type { Progress } from "../contract/progress.ts"
import { attribute, owns, ownsFrame, ownsTouch } from "./attribute.ts"
import type { Evidence } from "./evidence.ts"
import { checkHostFact } from "./host-facts.ts"
import { findGains, type Inspection, inspection } from "./inspection.ts"
import { judge, type Verdict } from "./judge.ts"
import { type PlannedCase, planCases } from "./plan-cases.ts"
import { readHostState } from "./read-host-state.ts"
import { type GuestPart, runGuest, runInspector } from "./run-guest.ts"
import type { AttackTarget, Surroundings } from "./target.ts"
import { parseWireFrame, type WireFrame } from "./wire-frame.ts"
import { openWireCapture } from "./witness/open-wire-capture.ts"
import { openWitnesses, type Witnesses } from "./witness/open-witnesses.ts"
import { readQemu } from "./witness/read-qemu.ts"

export interface AttackRequest {
  readonly target: AttackTarget
  readonly surroundings: Surroundings
  readonly only: readonly string[]
  readonly nonce: string
  /** The ports on which a world's canaries listen. */
  readonly progress: Progress
  readonly now: () => number
}

export interface AttackResult {
  readonly attack: PlannedCase
  readonly verdict: Verdict
  /** By the guest's own clock; null where nothing was tried. */
  readonly ms: number | null
  readonly remark: string
}

export interface AttackOutcome {
  readonly results: readonly AttackResult[]
  /** What a witness saw that belongs to no vector: never nothing to worry about. */
  readonly strays: readonly string[]
}

/** Where the sandbox shows QEMU the machine's folder. */
const INSIDE_DIR = "/m"

export async function attackMachine(request: AttackRequest): Promise<AttackOutcome> {
  const { target, surroundings, progress } = request
  const { world, witnesses: addresses } = surroundings
  const cases = planCases({ ...request, allowsHost: target.allowsHost, hasWorld: world !== null })
  const tried = cases.filter(({ skip }) => skip === null)
  const ports = portsOf(tried)
  await using witnesses = await progress.step("Witnesses", () =>
    openWitnesses({ addresses, world: world && { ...world, ports } }),
  )
  const before = await readHostState(target, null)
  const agent = tried.filter(({ from, vector }) => from === "agent" && vector.how.kind !== "host")
  const root = tried.filter(({ from, vector }) => from === "root" && vector.how.kind !== "host")
  const asAgent = await attackAs("agent", agent, [{ name: "probes", cases: agent }], witnesses, request)
  const asRoot = await attackAs("root", root, partsOfRoot(root), witnesses, request)
  const state = await readHostState(target, before.imageBefore)
  const evidence = new Map([...asAgent.evidence, ...asRoot.evidence])
  const results = cases.map((attack): AttackResult => {
    const seen = evidence.get(attack) ?? NOTHING
    const fact = attack.vector.how.kind === "host" ? checkHostFact(attack.vector.how.check, state) : null
    return {
      attack,
      verdict:
        attack.skip === null
          ? judge(attack, { ...seen, hostFact: fact })
          : { kind: "skipped", seen: attack.skip, rules: [] },
      ms: seen.report?.ms ?? null,
      remark: seen.report?.remark ?? "",
    }
  })
  return { results, strays: [...asAgent.strays, ...asRoot.strays] }
}

const NOTHING: Evidence = {
  report: null,
  frames: [],
  touches: [],
  questions: [],
  calls: [],
  gains: [],
  namespace: [],
  hostFact: null,
}

/** What needs the filter flushed comes last: from then on the host lets nothing of this machine out. */
function partsOfRoot(root: readonly PlannedCase[]): GuestPart[] {
  const isGateway = ({ vector }: PlannedCase) => vector.how.kind.startsWith("gateway")
  const plain = root.filter(({ vector }) => vector.flushed !== true)
  return [
    { name: "probes" as const, cases: plain.filter((one) => !isGateway(one)) },
    { name: "gateway" as const, cases: plain.filter(isGateway) },
    { name: "flushed" as const, cases: root.filter(({ vector }) => vector.flushed === true) },
  ].filter((part) => part.cases.length > 0)
}

interface PartSeen {
  readonly evidence: ReadonlyMap<PlannedCase, Evidence>
  readonly strays: readonly string[]
}

async function attackAs(
  user: "agent" | "root",
  cases: readonly PlannedCase[],
  parts: readonly GuestPart[],
  { canaries, sink }: Witnesses,
  { target, nonce, progress, now }: AttackRequest,
): Promise<PartSeen> {
  if (cases.length === 0) return { evidence: new Map(), strays: [] }
  canaries.clear()
  sink.clear()
  const startedMs = now()
  let inspected: Inspection | null = null
  await using wire = await openWireCapture({
    ...{ qmp: target.qmp, vmDir: target.vmDir, insideDir: INSIDE_DIR, id: `attack-${nonce}-${user}` },
  })
  const reports = await progress.step(`${cases.length} vectors as ${user}`, async (note) => {
    let count = 0
    const onReport = () => {
      count += 1
      note(`${count} of ${cases.length}`)
    }
    const whileHeld = async () => {
      if (user === "agent") inspected = inspection.parse(await runInspector(target, nonce))
    }
    return runGuest(target, { user, nonce, parts, canaryPort: canaries.port, onReport, whileHeld })
  })
  const sinceSeconds = (now() - startedMs) / 1000
  const all = (await wire.read()).map(parseWireFrame)
  const frames = attribute(cases, refuseBlindness(all), ownsFrame)
  const touches = attribute(cases, canaries.touches(), (attack, touch) =>
    ownsTouch(attack, touch, canaries.port),
  )
  const questions = attribute(cases, sink.questions(), owns.question)
  const calls = attribute(cases, await target.readCalls(startedMs), owns.call)
  const { namespace } = readQemu(target.qemuPid)
  const evidence = new Map(
    cases.map((attack) => [
      attack,
      {
        report: reports.get(attack.marker) ?? null,
        frames: frames.of(attack).map(({ what }) => what),
        touches: touches.of(attack),
        questions: questions.of(attack),
        calls: calls.of(attack),
        gains: inspected === null ? [] : findGains(attack, inspected, sinceSeconds),
        namespace,
        hostFact: null,
      },
    ]),
  )
  return {
    evidence,
    strays: [
      ...(user === "agent" ? frames.rest.map(({ what }) => `on the wire, of no vector: ${what}`) : []),
      ...touches.rest.map(
        ({ protocol, address, port }) => `${protocol} reached ${address}:${port}, of no vector`,
      ),
      ...questions.rest
        .filter(({ name }) => !target.allowsHost(name.toLowerCase()))
        .map(({ name }) => `the DNS sink was asked for ${name}, of no vector`),
    ],
  }
}

/** The frames that are not the proxy's own; there must have been such, or the capture is blind. */
function refuseBlindness(all: readonly WireFrame[]): readonly WireFrame[] {
  if (all.some(({ expected }) => expected)) return all.filter(({ expected }) => !expected)
  throw new Fault(
    "attack/blind-witness",
    "the capture of QEMU's wire did not even see the proxy's own calls",
    {
      hint: "nothing was proven; look at qemu.log in the machine's folder",
    },
  )
}

function portsOf(cases: readonly PlannedCase[]): number[] {
  const ports = cases.flatMap(({ vector: { how } }) =>
    how.kind === "tcp" || how.kind === "udp"
      ? [Number(how.port)]
      : how.kind === "frames"
        ? how.frames.map(({ port }) => port ?? 0)
        : [],
  )
  return [...new Set([80, 443, 853, ...ports])].filter((port) => Number.isInteger(port) && port > 0)
}
