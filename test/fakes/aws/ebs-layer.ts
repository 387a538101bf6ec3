/** What EBS does and moto does not: checks of checksums, sizes and states, client tokens, parents, and slowness. */

import { createHash } from "node:crypto"
import { type AwsAnswer, type AwsCall, ebsRefusal } from "./call.ts"
import type { Knobs } from "./knobs.ts"

const BLOCK_BYTES = 524_288

export interface SnapshotState {
  readonly id: string
  readonly start: Readonly<Record<string, string>>
  /** sha256 in base64 of each block written, by index. */
  readonly blocks: Map<number, string>
  state: "pending" | "completing" | "completed"
  /** How often somebody asked for it, or wrote to it, since it was made or completed. */
  asked: number
}

export type Send = (call: AwsCall) => Promise<AwsAnswer>

export interface EbsLayer {
  readonly snapshots: Map<string, SnapshotState>
  answer(call: AwsCall, send: Send): Promise<AwsAnswer>
}

export function openEbsLayer(knobs: Knobs): EbsLayer {
  const snapshots = new Map<string, SnapshotState>()
  const tokens = new Map<string, { readonly request: string; readonly answer: Promise<AwsAnswer> }>()
  const start = async (call: AwsCall, send: Send): Promise<AwsAnswer> => {
    const answer = await send(call)
    // moto counts blocks in KiB and forgets the parent
    const body = {
      ...(JSON.parse(answer.body.toString("utf8")) as { SnapshotId: string }),
      BlockSize: BLOCK_BYTES,
    }
    const id = body.SnapshotId
    snapshots.set(id, { id, start: call.fields, blocks: new Map(), state: "pending", asked: 0 })
    return { ...answer, body: Buffer.from(JSON.stringify(body)) }
  }
  const startOnce = async (call: AwsCall, send: Send): Promise<AwsAnswer> => {
    const token = call.fields["ClientToken"] ?? ""
    const request = call.body.toString("utf8")
    const earlier = tokens.get(token)
    if (earlier?.request === request) return earlier.answer
    if (earlier !== undefined)
      return ebsRefusal(409, "ConflictException", "the token was used for another request")
    const parent = call.fields["ParentSnapshotId"]
    if (parent !== undefined && snapshots.get(parent)?.state !== "completed")
      return ebsRefusal(400, "ValidationException", `${parent} is no completed snapshot`)
    if (token === "") return ebsRefusal(400, "ValidationException", "a ClientToken is expected")
    const answer = start(call, send)
    tokens.set(token, { request, answer })
    return answer
  }
  return {
    snapshots,
    async answer(call, send) {
      if (call.action === "StartSnapshot") return startOnce(call, send)
      const snapshot = snapshots.get(call.fields["SnapshotId"] ?? "")
      if (snapshot === undefined) return ebsRefusal(404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")
      if (call.action === "PutSnapshotBlock") return putBlock(knobs, snapshot, call, send)
      if (call.action === "CompleteSnapshot") return complete(snapshot, call, send)
      return send(call)
    },
  }
}

async function putBlock(
  knobs: Knobs,
  snapshot: SnapshotState,
  call: AwsCall,
  send: Send,
): Promise<AwsAnswer> {
  snapshot.asked += 1
  if (snapshot.asked <= knobs.unknownReads)
    return ebsRefusal(404, "ResourceNotFoundException", "The snapshot does not exist")
  const index = Number(call.fields["BlockIndex"])
  const sha = createHash("sha256").update(call.body).digest("base64")
  const refuse = (reason: string) => ebsRefusal(400, "ValidationException", `block ${index}: ${reason}`)
  if (snapshot.state !== "pending") return refuse(`${snapshot.id} is ${snapshot.state}`)
  if (call.body.length !== BLOCK_BYTES || call.fields["data-length"] !== String(BLOCK_BYTES))
    return refuse(`${call.body.length} bytes, said to be ${call.fields["data-length"]}`)
  if (call.fields["checksum-algorithm"] !== "SHA256") return refuse("no SHA256")
  if (call.fields["checksum"] !== sha) return refuse("the checksum is not the data's")
  if (index < 0 || index >= Number(snapshot.start["VolumeSize"]) * 2048)
    return refuse("outside of the volume")
  const answer = await send(call)
  if (answer.status === 201) snapshot.blocks.set(index, sha)
  return answer
}

async function complete(snapshot: SnapshotState, call: AwsCall, send: Send): Promise<AwsAnswer> {
  const refuse = (reason: string) => ebsRefusal(400, "ValidationException", reason)
  if (snapshot.state !== "pending")
    return ebsRefusal(409, "ConflictException", `${snapshot.id} is ${snapshot.state}`)
  const written = [...snapshot.blocks].sort(([left], [right]) => left - right)
  const all = createHash("sha256")
  for (const [, sha] of written) all.update(Buffer.from(sha, "base64"))
  if (call.fields["changedblockscount"] !== String(written.length))
    return refuse(
      `ChangedBlocksCount is ${call.fields["changedblockscount"]}, and ${written.length} were written`,
    )
  if (call.fields["checksum-aggregation-method"] !== "LINEAR") return refuse("no LINEAR checksum")
  if (call.fields["checksum"] !== all.digest("base64"))
    return refuse("the checksum is not that of the blocks")
  const answer = await send(call)
  snapshot.state = "completing"
  snapshot.asked = 0
  return answer
}
