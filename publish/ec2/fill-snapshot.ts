/** Begins the snapshot that is to hold an image's disk, or finds the one that an earlier run began; completes it. */

import { CompleteSnapshotCommand, StartSnapshotCommand } from "@aws-sdk/client-ebs"
import { DeleteSnapshotCommand } from "@aws-sdk/client-ec2"
import { Fault } from "../../contract/fault.ts"
import type { Progress } from "../../contract/progress.ts"
import { callAws, refusalOf } from "./call-aws.ts"
import { type FoundSnapshot, findParent, findSnapshots } from "./find-snapshots.ts"
import type { SnapshotNotes } from "./journal.ts"
import type { CloudClients } from "./open-clients.ts"
import {
  digestBlocks,
  type Parent,
  type PublishedImage,
  planSnapshot,
  type SnapshotPlan,
  TAGS,
} from "./plan-calls.ts"
import { BLOCK_BYTES, type DiskBlocks } from "./read-blocks.ts"

export interface BeginRequest {
  readonly clients: CloudClients
  readonly image: PublishedImage
  readonly disk: DiskBlocks
  readonly notes: SnapshotNotes
  readonly restart: boolean
  readonly progress: Progress
  readonly signal: AbortSignal
}

export interface BegunSnapshot {
  readonly snapshotId: string
  readonly state: "pending" | "completed"
  readonly parentId: string | null
  readonly plan: SnapshotPlan
}

/** Faults: `ec2/unknown-parent`, and those of call-aws.ts. */
export async function beginSnapshot(request: BeginRequest): Promise<BegunSnapshot> {
  const { clients, image, disk, notes, signal } = request
  const found = await findSnapshots(clients, image, digestBlocks(disk.blocks), signal)
  const earlier = await pickEarlier(request, found)
  const parent = earlier === null ? await chooseParent(request) : await parentOf(request, earlier)
  const nonce = await notes.readNonce(image.digest)
  const plan = planSnapshot(image, disk, clients.place.region, parent, nonce)
  const parentId = parent?.snapshotId ?? null
  if (earlier !== null) return { snapshotId: earlier.id, state: earlier.state, parentId, plan }
  const snapshotId = await startSnapshot(request, plan)
  return { snapshotId, state: "pending", parentId, plan }
}

/** What `beginSnapshot` would do, without doing it. */
export async function foreseeSnapshot(request: Omit<BeginRequest, "progress">): Promise<{
  readonly earlier: { readonly id: string; readonly state: "pending" | "completed" } | null
  readonly doomed: readonly string[]
  readonly plan: SnapshotPlan
}> {
  const { clients, image, disk, notes, restart, signal } = request
  const found = await findSnapshots(clients, image, digestBlocks(disk.blocks), signal)
  const doomed = found.filter((one) => isDoomed(one, restart)).map(({ id }) => id)
  const earlier = chooseEarlier(found, restart)
  const parent = earlier === null ? await chooseParent(request) : await parentOf(request, earlier)
  const nonce = await notes.readNonce(image.digest)
  return { earlier, doomed, plan: planSnapshot(image, disk, clients.place.region, parent, nonce) }
}

/** AWS compares count and checksum with what it has. Faults: `ec2/checksum`, and those of call-aws.ts. */
export async function completeSnapshot(
  clients: CloudClients,
  { snapshotId, plan }: BegunSnapshot,
  notes: SnapshotNotes,
  signal: AbortSignal,
): Promise<void> {
  const command = new CompleteSnapshotCommand({ SnapshotId: snapshotId, ...plan.complete })
  try {
    await callAws("CompleteSnapshot", (options) => clients.ebs.send(command, options), {
      signal,
      young: true,
    })
  } catch (cause) {
    if (!(cause instanceof Fault) || cause.code !== "ec2/refused") throw cause
    // completed already: by a call whose answer was lost, or by somebody who published the same image meanwhile
    if (refusalOf(cause) === "ConflictException") return
    // what the journal says to be there may not be: the next run writes all of it
    await notes.forgetDone(snapshotId)
    throw new Fault(
      "ec2/checksum",
      `AWS does not have all that was written to ${snapshotId}: ${cause.message}`,
      {
        hint: "the next run writes every block again",
        cause,
      },
    )
  }
}

type Usable = FoundSnapshot & { readonly state: "pending" | "completed" }

/** The one to go on with; those that are of no use any more are deleted, and the next attempt is a new one to AWS. */
async function pickEarlier(request: BeginRequest, found: readonly FoundSnapshot[]): Promise<Usable | null> {
  const { clients, image, notes, restart, signal } = request
  const doomed = found.filter((one) => isDoomed(one, restart))
  for (const { id } of doomed) {
    const command = new DeleteSnapshotCommand({ SnapshotId: id })
    await callAws("DeleteSnapshot", (options) => clients.ec2.send(command, options), { signal })
    await notes.forgetDone(id)
  }
  if (doomed.length > 0 || restart) await notes.renewNonce(image.digest)
  return chooseEarlier(found, restart)
}

function isDoomed({ state }: FoundSnapshot, restart: boolean): boolean {
  return state === "error" || (restart && state === "pending")
}

function chooseEarlier(found: readonly FoundSnapshot[], restart: boolean): Usable | null {
  const usable = found.filter((one): one is Usable => !isDoomed(one, restart))
  return usable.find(({ state }) => state === "completed") ?? usable[0] ?? null
}

/** EBS lets a volume grow from one version to the next, and never shrink. */
function chooseParent(request: Omit<BeginRequest, "progress">): Promise<Parent | null> {
  return findParent(request, { mostGib: request.disk.volumeGib })
}

/** What is to be written depends on what the snapshot was begun over. */
async function parentOf(request: Omit<BeginRequest, "progress">, earlier: Usable): Promise<Parent | null> {
  const id = earlier.tags[TAGS.parent] ?? "none"
  if (id === "none" || earlier.state === "completed") return null
  const parent = await findParent(request, { id })
  if (parent !== null) return parent
  throw new Fault(
    "ec2/unknown-parent",
    `${earlier.id} was begun over ${id}, and what that holds is not known in this STEREO_HOME`,
    { hint: "go on where it was begun, or begin anew with --restart" },
  )
}

async function startSnapshot(
  { clients, progress, signal }: BeginRequest,
  plan: SnapshotPlan,
): Promise<string> {
  const command = new StartSnapshotCommand(plan.start)
  const answer = await progress.step("Start a snapshot", () =>
    callAws("StartSnapshot", (options) => clients.ebs.send(command, options), { signal }),
  )
  if (answer.SnapshotId === undefined || answer.BlockSize !== BLOCK_BYTES) {
    throw new Fault(
      "ec2/refused",
      `StartSnapshot answered with id ${answer.SnapshotId ?? "(none)"} and blocks of ${answer.BlockSize ?? "(no)"} bytes; expected an id and ${BLOCK_BYTES}`,
      { hint: "what answers is not the EBS direct APIs: check --endpoint" },
    )
  }
  return answer.SnapshotId
}
