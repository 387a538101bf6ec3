/** What STEREO_HOME remembers of snapshots: which blocks an unfinished one has, and all blocks of a finished one. */

import { randomBytes } from "node:crypto"
import { appendFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { digestBlocks } from "./plan-calls.ts"
import type { BlockMap } from "./read-blocks.ts"

export interface SnapshotNotes {
  /** Blocks that AWS has confirmed, by index; those of a line cut off by a crash are not among them. */
  readDone(snapshotId: string): Promise<BlockMap>
  addDone(snapshotId: string, index: number, sha256: string): Promise<void>
  forgetDone(snapshotId: string): Promise<void>
  /** The blocks of a finished snapshot, if they hash to `digest`; null if nothing is known of them here. */
  readFinished(snapshotId: string, digest: string): Promise<BlockMap | null>
  writeFinished(snapshotId: string, blocks: BlockMap): Promise<void>
  /** What makes the next attempt at an image a new one for AWS; "" at first. */
  readNonce(imageDigest: string): Promise<string>
  renewNonce(imageDigest: string): Promise<string>
}

/** `dir`: a folder for one region. Snapshot ids are unique in all of AWS, so accounts need none. */
export function openNotes(dir: string): SnapshotNotes {
  const done = (id: string) => join(dir, `${id}.done`)
  const finished = (id: string) => join(dir, `${id}.blocks`)
  const nonce = (digest: string) => join(dir, `${digest}.attempt`)
  return {
    readDone: async (id) => parseLines((await readText(done(id))) ?? ""),
    async addDone(id, index, sha256) {
      await mkdir(dir, { recursive: true })
      await appendFile(done(id), `${index} ${sha256}\n`)
    },
    forgetDone: (id) => rm(done(id), { force: true }),
    async readFinished(id, digest) {
      const text = await readText(finished(id))
      const blocks = text === null ? null : parseLines(text)
      return blocks !== null && digestBlocks(blocks) === digest ? blocks : null
    },
    async writeFinished(id, blocks) {
      await replace(dir, finished(id), [...blocks].map(([index, sha]) => `${index} ${sha}\n`).join(""))
      await rm(done(id), { force: true })
    },
    readNonce: async (digest) => (await readText(nonce(digest))) ?? "",
    async renewNonce(digest) {
      const text = randomBytes(8).toString("hex")
      await replace(dir, nonce(digest), text)
      return text
    },
  }
}

function parseLines(text: string): BlockMap {
  const lines = text.matchAll(/^(\d+) ([0-9a-f]{64})\n/gm)
  return new Map([...lines].map((line) => [Number(line[1]), line[2] ?? ""]))
}

async function replace(dir: string, path: string, text: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  const temporary = `${path}.${randomBytes(6).toString("hex")}`
  await writeFile(temporary, text, { flag: "wx" })
  await rename(temporary, path)
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8")
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}
