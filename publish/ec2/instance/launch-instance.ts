/** The path of an instance: run it, wait until its console shows its host key, use it, terminate it whatever happens. */

import { setTimeout as delay } from "node:timers/promises"
import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  type Instance,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2"
import { Fault, reasonOf } from "../../../contract/fault.ts"
import type { Progress } from "../../../contract/progress.ts"
import { callAws, refusalOf } from "../call-aws.ts"
import type { CloudClients } from "../open-clients.ts"
import { readHostKey, type SshUser } from "./host-key.ts"
import { findByRun, terminateInstances } from "./instances.ts"
import { type InstanceWish, planInstance } from "./plan-instance.ts"

export interface LaunchRequest {
  readonly clients: CloudClients
  readonly wish: InstanceWish
  /** Who is to log in: whose sshd the host key is of. */
  readonly user: SshUser
  /** Between two looks, milliseconds. */
  readonly pollMs: number
  readonly progress: Progress
  readonly signal: AbortSignal
  /** Told of what could not be terminated: it costs money until somebody does. */
  readonly warn: (text: string) => void
}

export interface ReadyInstance {
  readonly id: string
  /** The public address if it has one, else the private one. */
  readonly address: string
  /** `ssh-ed25519 BASE64`, from its console. */
  readonly hostKey: string
}

/** Half an hour at five seconds each, for each of the two waits. */
const LOOKS = 360
/** What is being cleaned up is cleaned up, even after Ctrl-C. */
const CLEAN_UP_MS = 120_000
/** EC2 shows a new instance within seconds. */
const LOOKS_FOR_UNKNOWN = 6
const NOTHING_STARTED = new Set(["ec2/refused", "ec2/not-allowed", "ec2/no-credentials"])

/** Runs `use` with an instance that is gone when this ends. Faults: `ec2/instance-failed`, `ec2/too-slow`, and those of call-aws.ts. */
export async function withInstance<Result>(
  request: LaunchRequest,
  use: (instance: ReadyInstance) => Promise<Result>,
): Promise<Result> {
  const { wish, progress } = request
  const started: Started = { id: null, perhaps: false }
  try {
    const id = await progress.step(`Start ${wish.name}`, () => runInstance(request, started))
    const address = await progress.step(`Wait for ${id}`, (note) => awaitRunning(request, id, note))
    const hostKey = await progress.step(`Wait for ${id} to show its host key`, (note) =>
      awaitHostKey(request, id, note),
    )
    return await use({ id, address, hostKey })
  } finally {
    if (started.id !== null || started.perhaps)
      await progress.step(`Terminate ${wish.name}`, () => cleanUp(request, started))
  }
}

/** What is known of the instance at any moment, for whoever must end it. */
interface Started {
  id: string | null
  /** RunInstances was sent, and no answer says that nothing came of it. */
  perhaps: boolean
}

async function runInstance({ clients, wish, signal }: LaunchRequest, started: Started): Promise<string> {
  const command = new RunInstancesCommand(planInstance(wish))
  signal.throwIfAborted()
  started.perhaps = true
  let unanswered = false
  try {
    // an AMI that was registered just now may not be known everywhere
    const answer = await callAws("RunInstances", (options) => clients.ec2.send(command, options), {
      signal,
      young: true,
      unanswered: () => {
        unanswered = true
      },
    })
    started.id = answer.Instances?.[0]?.InstanceId ?? null
  } catch (thrown) {
    if (thrown instanceof Fault && NOTHING_STARTED.has(thrown.code)) started.perhaps = unanswered
    throw thrown
  }
  if (started.id !== null) return started.id
  throw new Fault("ec2/refused", "RunInstances answered without an id", {
    hint: "what answers is not EC2: check --endpoint",
  })
}

/** Gives its address. */
function awaitRunning(request: LaunchRequest, id: string, note: (text: string) => void): Promise<string> {
  const command = new DescribeInstancesCommand({ InstanceIds: [id] })
  return look(request, `${id} does not run`, async () => {
    const answer = await callAws(
      "DescribeInstances",
      (options) => request.clients.ec2.send(command, options),
      {
        signal: request.signal,
        young: true,
      },
    )
    const instance = answer.Reservations?.[0]?.Instances?.[0]
    refuseEnded(id, instance)
    note(instance?.State?.Name ?? "unknown")
    const address = instance?.PublicIpAddress || instance?.PrivateIpAddress
    return instance?.State?.Name === "running" && address ? address : null
  })
}

/** `running` says that the hypervisor has begun; the key on the console, that the image has booted as far as its way in. */
function awaitHostKey(request: LaunchRequest, id: string, note: (text: string) => void): Promise<string> {
  const { clients, user, signal } = request
  const status = new DescribeInstanceStatusCommand({ InstanceIds: [id], IncludeAllInstances: true })
  return look(request, `the console of ${id} shows no host key of ${request.user}`, async () => {
    const key = readHostKey(await readConsole(clients, id, signal), user, id)
    if (key !== null) return key
    const answer = await callAws("DescribeInstanceStatus", (options) => clients.ec2.send(status, options), {
      signal,
      young: true,
    })
    const { InstanceState, InstanceStatus, SystemStatus } = answer.InstanceStatuses?.[0] ?? {}
    refuseEnded(id, { ...(InstanceState === undefined ? {} : { State: InstanceState }) })
    if (InstanceStatus?.Status === "impaired" || SystemStatus?.Status === "impaired")
      throw new Fault("ec2/instance-failed", `${id} fails EC2's status checks`, { hint: showConsole(id) })
    note(InstanceStatus?.Status ?? "no status yet")
    return null
  })
}

/** The newest there is; types before Nitro know only what was kept. */
async function readConsole({ ec2 }: CloudClients, id: string, signal: AbortSignal): Promise<string> {
  const ask = (latest: boolean) => {
    const command = new GetConsoleOutputCommand({ InstanceId: id, ...(latest ? { Latest: true } : {}) })
    return callAws("GetConsoleOutput", (options) => ec2.send(command, options), { signal, young: true })
  }
  const answer = await ask(true).catch((thrown: unknown) => {
    if (refusalOf(thrown) === "UnsupportedOperation") return ask(false)
    throw thrown
  })
  return Buffer.from(answer.Output ?? "", "base64").toString("utf8")
}

async function look<Found>(
  request: LaunchRequest,
  what: string,
  once: () => Promise<Found | null>,
): Promise<Found> {
  const { pollMs, signal } = request
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const found = await once()
    if (found !== null) return found
    await delay(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
  throw new Fault("ec2/too-slow", `${what} after ${LOOKS} looks`, {
    hint: "the image must be one of the profile ec2, built by this version, which prints its host keys; docs/ec2.md",
  })
}

function refuseEnded(id: string, instance: Pick<Instance, "State" | "StateReason"> | undefined): void {
  const state = instance?.State?.Name ?? ""
  if (!/^(shutting-down|terminated|stopping|stopped)$/.test(state)) return
  const reason = instance?.StateReason?.Message
  throw new Fault("ec2/instance-failed", `${id} is ${state}${reason ? `: ${reason}` : ""}`, {
    hint: showConsole(id),
  })
}

function showConsole(id: string): string {
  return `\`aws ec2 get-console-output --instance-id ${id} --output text\` shows its console for a while`
}

/** Where the answer never came, the instance is looked for by the tag of this run until it must be visible. */
async function cleanUp({ clients, wish, pollMs, warn }: LaunchRequest, { id }: Started): Promise<void> {
  const signal = AbortSignal.timeout(CLEAN_UP_MS)
  try {
    let ids: readonly string[] = id === null ? [] : [id]
    for (let looks = 0; looks < LOOKS_FOR_UNKNOWN && ids.length === 0; looks += 1) {
      if (looks > 0) await delay(pollMs, undefined, { signal })
      ids = await findByRun(clients, wish.token, signal)
    }
    await terminateInstances(clients, ids, signal)
  } catch (thrown) {
    warn(
      `${wish.name} may still run, and cost: ${reasonOf(thrown)}; \`stereo rm --on ec2 ${wish.name}\` ends it`,
    )
  }
}
