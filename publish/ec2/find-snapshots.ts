/** Finds the snapshots that stereo made earlier in a region, by their tags. Asks only; nothing is written. */

import { DescribeSnapshotsCommand, type Filter, type Snapshot } from "@aws-sdk/client-ec2"
import { callAws } from "./call-aws.ts"
import type { SnapshotNotes } from "./journal.ts"
import type { CloudClients } from "./open-clients.ts"
import { type Parent, type PublishedImage, TAGS } from "./plan-calls.ts"

export interface FoundSnapshot {
  readonly id: string
  readonly state: "pending" | "completed" | "error"
  readonly sizeGib: number
  readonly startedMs: number
  readonly tags: Readonly<Record<string, string>>
}

/** Snapshots of exactly this artifact's disk, the youngest first. */
export async function findSnapshots(
  clients: CloudClients,
  image: PublishedImage,
  blocksDigest: string,
  signal: AbortSignal,
): Promise<readonly FoundSnapshot[]> {
  const found = await listSnapshots(clients, [tagIs(TAGS.digest, image.digest)], signal)
  // a definition that gives the same manifest may have been exported with other keys, and so to another disk
  return found.filter(({ tags }) => tags[TAGS.blocks] === blocksDigest)
}

/** The youngest finished snapshot of an earlier version whose blocks are known here, or only the one of this id. */
export async function findParent(
  request: {
    readonly clients: CloudClients
    readonly image: PublishedImage
    readonly notes: SnapshotNotes
    readonly signal: AbortSignal
  },
  wanted: { readonly mostGib: number } | { readonly id: string },
): Promise<Parent | null> {
  const { clients, image, notes, signal } = request
  const found = await listSnapshots(clients, [tagIs(TAGS.image, image.name)], signal)
  for (const snapshot of found) {
    if (snapshot.state !== "completed") continue
    if ("id" in wanted ? snapshot.id !== wanted.id : snapshot.sizeGib > wanted.mostGib) continue
    const blocks = await notes.readFinished(snapshot.id, snapshot.tags[TAGS.blocks] ?? "")
    if (blocks !== null) return { snapshotId: snapshot.id, blocks }
  }
  return null
}

async function listSnapshots(
  { ec2 }: CloudClients,
  filters: Filter[],
  signal: AbortSignal,
): Promise<FoundSnapshot[]> {
  const all: Snapshot[] = []
  let token: string | undefined
  do {
    const command = new DescribeSnapshotsCommand({ OwnerIds: ["self"], Filters: filters, NextToken: token })
    const page = await callAws("DescribeSnapshots", (options) => ec2.send(command, options), { signal })
    all.push(...(page.Snapshots ?? []))
    token = page.NextToken
  } while (token)
  return all.map(readSnapshot).sort((left, right) => right.startedMs - left.startedMs)
}

function readSnapshot(snapshot: Snapshot): FoundSnapshot {
  const state = snapshot.State
  return {
    id: snapshot.SnapshotId ?? "",
    // those being recovered from an archive or the recycle bin are of no use now
    state: state === "completed" || state === "pending" ? state : "error",
    sizeGib: snapshot.VolumeSize ?? 0,
    startedMs: snapshot.StartTime?.getTime() ?? 0,
    tags: Object.fromEntries((snapshot.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""])),
  }
}

function tagIs(key: string, value: string): Filter {
  return { Name: `tag:${key}`, Values: [value] }
}
