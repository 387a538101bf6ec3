/** Writes blocks to a snapshot, several at once, each until AWS has confirmed its checksum. */

import { open } from "node:fs/promises"
import { PutSnapshotBlockCommand } from "@aws-sdk/client-ebs"
import { Fault } from "../../contract/fault.ts"
import { callAws } from "./call-aws.ts"
import type { SnapshotNotes } from "./journal.ts"
import type { CloudClients } from "./open-clients.ts"
import { openPace } from "./pace.ts"
import { BLOCK_BYTES, type BlockMap, readSameBlock } from "./read-blocks.ts"

export interface WriteRequest {
  readonly clients: CloudClients
  readonly snapshotId: string
  readonly diskPath: string
  /** What the snapshot is to get, of which some blocks may be there already. */
  readonly writes: BlockMap
  readonly notes: SnapshotNotes
  /** Blocks under way at once, at most. */
  readonly parallel: number
  readonly note: (text: string) => void
  readonly signal: AbortSignal
}

export interface WriteReport {
  readonly sent: number
  /** Blocks that an earlier, interrupted run had written. */
  readonly resumed: number
  /** The fewest that were under way at once for the sake of throttling. */
  readonly lowestPace: number
}

/** Ends when every block is there, or at the first that cannot be written. Faults: `ec2/checksum`, and those of call-aws.ts. */
export async function writeBlocks(request: WriteRequest): Promise<WriteReport> {
  const { snapshotId, writes, notes, parallel, note } = request
  const done = await notes.readDone(snapshotId)
  const left = [...writes].filter(([index, sha256]) => done.get(index) !== sha256)
  const resumed = writes.size - left.length
  const pace = openPace(parallel)
  const failed = new AbortController()
  const signal = AbortSignal.any([request.signal, failed.signal])
  await using disk = await open(request.diskPath)
  let sent = 0
  const queue = left.values()
  const work = async () => {
    for (const [index, sha256] of queue) {
      await pace.run(async (throttled) => {
        signal.throwIfAborted()
        const data = await readSameBlock(disk, index, sha256)
        await putBlock(request, index, sha256, data, { signal, throttled })
      })
      await notes.addDone(snapshotId, index, sha256)
      sent += 1
      note(
        `${resumed + sent} of ${writes.size} blocks${pace.limit() < parallel ? `, ${pace.limit()} at once` : ""}`,
      )
    }
  }
  const workers = Array.from({ length: Math.min(parallel, left.length) }, work)
  // the first failure ends the others; all have ended before the disk is closed
  const ends = await Promise.allSettled(
    workers.map((worker) =>
      worker.catch((thrown: unknown) => {
        failed.abort(thrown)
        throw thrown
      }),
    ),
  )
  request.signal.throwIfAborted()
  if (ends.some(({ status }) => status === "rejected")) throw failed.signal.reason
  return { sent, resumed, lowestPace: pace.lowest() }
}

async function putBlock(
  { clients, snapshotId }: WriteRequest,
  index: number,
  sha256: string,
  data: Buffer,
  options: { readonly signal: AbortSignal; readonly throttled: () => void },
): Promise<void> {
  const checksum = Buffer.from(sha256, "hex").toString("base64")
  const put = (sending: { abortSignal: AbortSignal }) =>
    clients.ebs.send(
      new PutSnapshotBlockCommand({
        SnapshotId: snapshotId,
        BlockIndex: index,
        BlockData: data,
        DataLength: BLOCK_BYTES,
        Checksum: checksum,
        ChecksumAlgorithm: "SHA256",
      }),
      sending,
    )
  const answer = await callAws("PutSnapshotBlock", put, { ...options, young: true })
  if (answer.Checksum === checksum) return
  throw new Fault(
    "ec2/checksum",
    `block ${index} of ${snapshotId}: AWS confirmed the checksum ${answer.Checksum ?? "(none)"}, expected ${checksum}`,
    { hint: "something between here and AWS changes what is sent; the snapshot is not completed" },
  )
}
