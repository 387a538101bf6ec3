/** The path of an image to an AMI: look for it, plan, start a snapshot, write blocks, complete, register, wait. */

import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import type { Progress } from "../../contract/progress.ts"
import { awaitImage, awaitSnapshot } from "./await-state.ts"
import { type BegunSnapshot, beginSnapshot, completeSnapshot } from "./fill-snapshot.ts"
import { findImage } from "./find-image.ts"
import { openNotes } from "./journal.ts"
import type { CloudClients } from "./open-clients.ts"
import type { PublishedImage } from "./plan-calls.ts"
import { type DiskBlocks, readBlocks } from "./read-blocks.ts"
import { registerImage } from "./register-image.ts"
import type { SecureBoot } from "./secure-boot.ts"
import { writeBlocks } from "./write-blocks.ts"

export interface PublishRequest {
  readonly clients: CloudClients
  readonly home: Home
  readonly image: PublishedImage
  /** Makes the raw disk when it is needed, and gives its path. */
  readonly exportDisk: () => Promise<string>
  readonly secureBoot: SecureBoot
  /** Begin with a new snapshot; one that is unfinished is deleted. */
  readonly restart: boolean
  /** Blocks under way at once, 1 to 64. */
  readonly parallel: number
  /** Between two looks at something that AWS is making, milliseconds. */
  readonly pollMs: number
  readonly progress: Progress
  readonly signal: AbortSignal
}

export interface PublishReport {
  readonly region: string
  readonly imageId: string
  /** False: it was there, and nothing was made. */
  readonly created: boolean
  /** The rest is null where the AMI was there. */
  readonly snapshotId: string | null
  readonly parentSnapshotId: string | null
  readonly blocks: {
    readonly nonZero: number
    /** What this image needs written, beside its parent's blocks. */
    readonly changed: number
    readonly sent: number
    readonly resumed: number
    readonly lowestPace: number
  } | null
}

/** Publishes once: what a run before has made is found by its tags, and what it left unfinished is gone on with. */
export async function publishImage(request: PublishRequest): Promise<PublishReport> {
  const { clients, image, progress, signal, pollMs } = request
  const { region } = clients.place
  const notes = openNotes(notesDir(request.home, region))
  const existing = await progress.step(`Look for the image in ${region}`, () =>
    findImage({ clients, digest: image.digest, signal }, request.secureBoot),
  )
  if (existing !== null) {
    await awaitImage(clients, existing.id, { progress, pollMs, signal })
    return {
      region,
      imageId: existing.id,
      created: false,
      snapshotId: null,
      parentSnapshotId: null,
      blocks: null,
    }
  }
  const diskPath = await request.exportDisk()
  const disk = await progress.step("Read the disk", () => readBlocks(diskPath, signal))
  const begun = await beginSnapshot({ ...request, notes, disk })
  const { snapshotId } = begun
  return await sayWhatIsLeft(begun, async () => {
    const written = await progress.step(`Write ${snapshotId}`, (note) =>
      begun.state === "completed"
        ? Promise.resolve({ sent: 0, resumed: 0, lowestPace: request.parallel })
        : writeBlocks({ ...request, notes, note, diskPath, snapshotId, writes: begun.plan.writes }),
    )
    if (begun.state === "pending") await completeSnapshot(clients, begun, notes, signal)
    await awaitSnapshot(clients, snapshotId, { progress, pollMs, signal })
    await notes.writeFinished(snapshotId, disk.blocks)
    const imageId = await progress.step("Register the image", () => registerImage(request, snapshotId))
    await awaitImage(clients, imageId, { progress, pollMs, signal })
    const blocks = { ...countBlocks(disk, begun), ...written }
    return { region, imageId, created: true, snapshotId, parentSnapshotId: begun.parentId, blocks }
  })
}

/** Where the notes on a region's snapshots lie. */
export function notesDir(home: Home, region: string): string {
  return join(home.publish, "ec2", region)
}

function countBlocks(disk: DiskBlocks, begun: BegunSnapshot) {
  return { nonZero: disk.blocks.size, changed: begun.plan.writes.size }
}

/** Whatever went wrong: the snapshot is there, and the reader must know what becomes of it. */
async function sayWhatIsLeft<Result>(begun: BegunSnapshot, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    const left = `${begun.snapshotId} stays: the same command goes on with it, and --restart begins anew; AWS cancels an unfinished one after a day`
    const hint = thrown.hint === undefined ? left : `${thrown.hint}; ${left}`
    throw new Fault(thrown.code, thrown.message, { hint, cause: thrown.cause ?? thrown })
  }
}
