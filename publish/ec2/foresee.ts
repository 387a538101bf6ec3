/** What publishing would send, call by call, without sending any of it: only questions are asked. */

import { createHash } from "node:crypto"
import { foreseeSnapshot } from "./fill-snapshot.ts"
import { findImage } from "./find-image.ts"
import { openNotes } from "./journal.ts"
import { planImage } from "./plan-calls.ts"
import { notesDir, type PublishRequest } from "./publish-image.ts"
import { BLOCK_BYTES, readBlocks } from "./read-blocks.ts"

export interface ForeseenCall {
  readonly call: string
  /** How often; each with other blocks. */
  readonly times: number
  readonly parameters: unknown
}

export interface Foresight {
  readonly region: string
  /** The AMI that is there already: no call would be made. */
  readonly imageId: string | null
  readonly calls: readonly ForeseenCall[]
  readonly blocks: {
    readonly total: number
    readonly nonZero: number
    readonly toSend: number
    readonly bytesToSend: number
  } | null
}

export async function foreseePublish(request: PublishRequest): Promise<Foresight> {
  const { clients, image, progress, signal } = request
  const { region } = clients.place
  const existing = await progress.step(`Look for the image in ${region}`, () =>
    findImage({ clients, digest: image.digest, signal }, request.secureBoot),
  )
  if (existing !== null) return { region, imageId: existing.id, calls: [], blocks: null }
  const notes = openNotes(notesDir(request.home, region))
  const diskPath = await request.exportDisk()
  const disk = await progress.step("Read the disk", () => readBlocks(diskPath, signal))
  const { earlier, doomed, plan } = await foreseeSnapshot({ ...request, notes, disk })
  const id = earlier?.id ?? "(the new snapshot's)"
  const done = earlier === null ? new Map() : await notes.readDone(earlier.id)
  const finished = earlier?.state === "completed"
  const left = finished ? [] : [...plan.writes].filter(([index, sha256]) => done.get(index) !== sha256)
  const calls: ForeseenCall[] = [
    ...doomed.map((one) => ({ call: "DeleteSnapshot", times: 1, parameters: { SnapshotId: one } })),
    ...(earlier === null ? [{ call: "StartSnapshot", times: 1, parameters: plan.start }] : []),
    ...(left.length === 0 ? [] : [describePuts(id, left)]),
    ...(finished
      ? []
      : [{ call: "CompleteSnapshot", times: 1, parameters: { SnapshotId: id, ...plan.complete } }]),
    { call: "RegisterImage", times: 1, parameters: planImage(image, id, request.secureBoot) },
  ]
  const total = Math.ceil(disk.sizeBytes / BLOCK_BYTES)
  const bytesToSend = left.length * BLOCK_BYTES
  return {
    region,
    imageId: null,
    calls,
    blocks: { total, nonZero: disk.blocks.size, toSend: left.length, bytesToSend },
  }
}

/** Thousands of calls that differ in three fields: their indexes as ranges, and a digest over all of them. */
function describePuts(snapshotId: string, left: readonly (readonly [number, string])[]): ForeseenCall {
  const digest = createHash("sha256").update(left.map((pair) => pair.join(" ")).join("\n"))
  return {
    call: "PutSnapshotBlock",
    times: left.length,
    parameters: {
      SnapshotId: snapshotId,
      BlockIndex: ranges(left.map(([index]) => index)),
      DataLength: BLOCK_BYTES,
      ChecksumAlgorithm: "SHA256",
      Checksum: `(each block's own; sha256 over all of them: ${digest.digest("hex")})`,
    },
  }
}

/** Such as `0-3, 7`. */
function ranges(indexes: readonly number[]): string {
  const spans: [number, number][] = []
  for (const index of indexes) {
    const last = spans.at(-1)
    if (last !== undefined && last[1] === index - 1) last[1] = index
    else spans.push([index, index])
  }
  return spans.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ")
}
