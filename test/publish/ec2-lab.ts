/** What tests of publishing share: a disk of one's own making, a home, and a client of the fake AWS. */

import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { GetSnapshotBlockCommand, ListSnapshotBlocksCommand } from "@aws-sdk/client-ebs"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { type CloudClients, openClients } from "../../publish/ec2/open-clients.ts"
import type { PublishRequest } from "../../publish/ec2/publish-image.ts"
import { BLOCK_BYTES } from "../../publish/ec2/read-blocks.ts"
import { NO_SECURE_BOOT } from "../../publish/ec2/secure-boot.ts"
import type { Aws } from "../fakes/aws/open-aws.ts"

/** The SDK's default chain reads these; moto takes any. */
export const FAKE_CREDENTIALS = { AWS_ACCESS_KEY_ID: "testing", AWS_SECRET_ACCESS_KEY: "testing" } as const

export interface Lab extends AsyncDisposable {
  readonly dir: string
  readonly clients: CloudClients
  /** Writes a disk: a letter is a block filled with it, `.` a zero block, `?` one of random bytes. */
  makeDisk(name: string, blocks: string, tail?: string): Promise<string>
  /** A request for the image of this disk; another disk is another version of it. */
  request(disk: string, changes?: Partial<PublishRequest>): PublishRequest
  /** The blocks of a snapshot over those of its parents, as bytes. */
  readBack(snapshotId: string): Promise<ReadonlyMap<number, Buffer>>
}

export async function openLab(aws: Aws, region = "eu-central-1"): Promise<Lab> {
  Object.assign(process.env, FAKE_CREDENTIALS)
  const dir = await mkdtemp(join(tmpdir(), "stereo-ec2-"))
  const clients = openClients({ region, endpoint: aws.url })
  const direct = openClients({ region, endpoint: aws.motoUrl })
  const readBack = async (snapshotId: string): Promise<Map<number, Buffer>> => {
    const parent = aws.snapshots.get(snapshotId)?.start["ParentSnapshotId"]
    const blocks = parent === undefined ? new Map<number, Buffer>() : await readBack(parent)
    const listed = await direct.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: snapshotId }))
    for (const { BlockIndex, BlockToken } of listed.Blocks ?? []) {
      const got = await direct.ebs.send(
        new GetSnapshotBlockCommand({ SnapshotId: snapshotId, BlockIndex, BlockToken }),
      )
      blocks.set(Number(BlockIndex), Buffer.from((await got.BlockData?.transformToByteArray()) ?? []))
    }
    return blocks
  }
  return {
    dir,
    clients,
    async makeDisk(name, blocks, tail = "") {
      const path = join(dir, name)
      await writeFile(path, Buffer.concat([...[...blocks].map(makeBlock), Buffer.from(tail)]))
      return path
    },
    request: (disk, changes = {}) => ({
      clients,
      home: homeLayout(join(dir, "home")),
      image: { name: "base", digest: sha256(disk), plan: sha256(`plan ${disk}`) },
      exportDisk: () => Promise.resolve(disk),
      secureBoot: NO_SECURE_BOOT,
      restart: false,
      parallel: 64,
      pollMs: 5,
      progress: silentProgress,
      signal: new AbortController().signal,
      ...changes,
    }),
    readBack,
    async [Symbol.asyncDispose]() {
      clients[Symbol.dispose]()
      direct[Symbol.dispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** What a disk holds, read as a volume of it would be. */
export function joinBlocks(blocks: ReadonlyMap<number, Buffer>, sizeBytes: number): Buffer {
  const disk = Buffer.alloc(Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES)
  for (const [index, block] of blocks) block.copy(disk, index * BLOCK_BYTES)
  return disk.subarray(0, sizeBytes)
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}

function makeBlock(letter: string): Buffer {
  if (letter === "?") return randomBytes(BLOCK_BYTES)
  return Buffer.alloc(BLOCK_BYTES, letter === "." ? 0 : letter)
}
