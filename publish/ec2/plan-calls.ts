/** What is sent to AWS, as pure functions of image, disk and place, so that a dry run prints what a run sends. */

import { createHash } from "node:crypto"
import type { CompleteSnapshotRequest, StartSnapshotRequest } from "@aws-sdk/client-ebs"
import type { RegisterImageRequest } from "@aws-sdk/client-ec2"
import type { BlockMap, DiskBlocks } from "./read-blocks.ts"
import { ZERO_SHA256 } from "./read-blocks.ts"
import { nameSecureBoot, type SecureBoot, tagSecureBoot } from "./secure-boot.ts"

/** Tags by which stereo finds again what it made. */
export const TAGS = {
  /** sha256 of the image's manifest: its identity as an artifact. */
  digest: "stereo:digest",
  image: "stereo:image",
  /** Hash of the resolved definition: its identity as an intention. */
  plan: "stereo:plan",
  /** sha256 over the disk's block map; tells a snapshot's content without reading it. */
  blocks: "stereo:blocks",
  /** The snapshot that this one was written over, or `none`. */
  parent: "stereo:parent",
  /** What an instance was started as. */
  machine: "stereo:machine",
  /** Which run of `stereo up` started an instance. */
  run: "stereo:run",
} as const

export interface PublishedImage {
  readonly name: string
  readonly digest: string
  readonly plan: string
}

export interface SnapshotPlan {
  readonly start: StartSnapshotRequest
  /** What is to be written: sha256 by index, in ascending order; of a block that became zero, that of zeros. */
  readonly writes: BlockMap
  readonly complete: Omit<CompleteSnapshotRequest, "SnapshotId">
}

export interface Parent {
  readonly snapshotId: string
  readonly blocks: BlockMap
}

/** How long AWS keeps a snapshot to which nothing is written before it cancels it, in minutes. */
const KEPT_MINUTES = 1440

/** `nonce`: "" at first; another one after an attempt that can never be finished. */
export function planSnapshot(
  image: PublishedImage,
  disk: DiskBlocks,
  region: string,
  parent: Parent | null,
  nonce: string,
): SnapshotPlan {
  const parentId = parent?.snapshotId ?? "none"
  const writes = planWrites(disk.blocks, parent?.blocks ?? new Map())
  const blocks = digestBlocks(disk.blocks)
  const token = sha256(["stereo", image.digest, region, parentId, blocks, nonce].join("\n"))
  return {
    start: {
      VolumeSize: disk.volumeGib,
      ...(parent === null ? {} : { ParentSnapshotId: parent.snapshotId }),
      ClientToken: token,
      Description: `stereo image ${image.name} ${image.digest.slice(0, 12)}`,
      Timeout: KEPT_MINUTES,
      Tags: [...imageTags(image), { Key: TAGS.blocks, Value: blocks }, { Key: TAGS.parent, Value: parentId }],
    },
    writes,
    complete: {
      ChangedBlocksCount: writes.size,
      Checksum: aggregate(writes),
      ChecksumAlgorithm: "SHA256",
      ChecksumAggregationMethod: "LINEAR",
    },
  }
}

/** sha256 over `INDEX SHA256` lines in ascending order, hex. */
export function digestBlocks(blocks: BlockMap): string {
  return sha256(
    ascending(blocks)
      .map(([index, hash]) => `${index} ${hash}\n`)
      .join(""),
  )
}

/** Its name and tags tell it from an AMI of the same image with another Secure Boot. */
export function planImage(
  image: PublishedImage,
  snapshotId: string,
  secureBoot: SecureBoot,
): RegisterImageRequest {
  return {
    Name: `stereo-${image.name}-${image.digest.slice(0, 16)}${nameSecureBoot(secureBoot)}`,
    Description: `stereo image ${image.name}, manifest ${image.digest}`,
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    BootMode: "uefi",
    TpmSupport: "v2.0",
    ImdsSupport: "v2.0",
    EnaSupport: true,
    RootDeviceName: "/dev/xvda",
    BlockDeviceMappings: [
      {
        DeviceName: "/dev/xvda",
        Ebs: { SnapshotId: snapshotId, VolumeType: "gp3", DeleteOnTermination: true },
      },
    ],
    ...(secureBoot.uefiData === null ? {} : { UefiData: secureBoot.uefiData }),
    TagSpecifications: [{ ResourceType: "image", Tags: [...imageTags(image), ...tagSecureBoot(secureBoot)] }],
  }
}

function imageTags({ name, digest, plan }: PublishedImage) {
  return [
    { Key: "Name", Value: `stereo ${name}` },
    { Key: TAGS.digest, Value: digest },
    { Key: TAGS.image, Value: name },
    { Key: TAGS.plan, Value: plan },
  ]
}

/** What differs from the parent, zeros included that lie where the parent has something. */
function planWrites(blocks: BlockMap, earlier: BlockMap): BlockMap {
  const changed = ascending(blocks).filter(([index, hash]) => earlier.get(index) !== hash)
  const emptied = [...earlier.keys()].filter((index) => !blocks.has(index))
  return new Map(ascending(new Map([...changed, ...emptied.map((index) => [index, ZERO_SHA256] as const)])))
}

/** LINEAR: the sha256 of the blocks' checksums, as bytes, in the order of their indexes. */
function aggregate(writes: BlockMap): string {
  const hash = createHash("sha256")
  for (const [, sha] of ascending(writes)) hash.update(Buffer.from(sha, "hex"))
  return hash.digest("base64")
}

function ascending(blocks: BlockMap): (readonly [number, string])[] {
  return [...blocks].sort(([left], [right]) => left - right)
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
