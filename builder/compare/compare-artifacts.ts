/** Compares two artifacts of one image, file by file; where one differs, says where, with diffoscope if it is here. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { open, stat } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import type { Manifest } from "../../contract/manifest.ts"
import { attempt } from "../run.ts"
import { compareInventories } from "./compare-inventories.ts"

export interface FileComparison {
  readonly name: string
  readonly same: boolean
  /** Of both; null: it is not there. */
  readonly sha256: { readonly before: string | null; readonly after: string | null }
  /** What differs, a line each; empty where nothing does. */
  readonly differences: readonly string[]
}

export interface CompareRequest {
  /** Folders of artifacts. */
  readonly before: string
  readonly after: string
  readonly manifest: Manifest
  readonly logFile: string
  readonly signal: AbortSignal
}

const SHOWN_LINES = 40
/** diffoscope reads both wholly, and knows neither erofs nor dm-verity. */
const LARGEST_BYTES = 16 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

export async function compareArtifacts(request: CompareRequest): Promise<FileComparison[]> {
  const names = ["manifest.toml", ...Object.values(request.manifest.files).map(({ name }) => name)]
  const compared: FileComparison[] = []
  for (const name of names) compared.push(await compareFile(request, name))
  return compared
}

async function compareFile(request: CompareRequest, name: string): Promise<FileComparison> {
  const [before, after] = [join(request.before, name), join(request.after, name)]
  const sha256 = { before: await hashFile(before), after: await hashFile(after) }
  if (sha256.before !== null && sha256.before === sha256.after)
    return { name, same: true, sha256, differences: [] }
  const there = sha256.before !== null && sha256.after !== null
  const differences = there
    ? await findDifferences(request, name)
    : [`${sha256.before === null ? before : after} is not there`]
  return { name, same: false, sha256, differences }
}

async function findDifferences(request: CompareRequest, name: string): Promise<string[]> {
  const [before, after] = [join(request.before, name), join(request.after, name)]
  const place = await firstDifference(before, after)
  if (name === request.manifest.files.inventory.name)
    return [place, ...(await compareInventories(before, after))]
  const large = (await stat(before)).size > LARGEST_BYTES
  return [place, ...(large ? [] : await runDiffoscope(request, before, after))]
}

/** The first byte that differs, or where the shorter one ends. */
async function firstDifference(before: string, after: string): Promise<string> {
  await using left = await open(before)
  await using right = await open(after)
  const [one, other] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)]
  for (let offset = 0; ; offset += CHUNK_BYTES) {
    const read = [
      await left.read(one, 0, CHUNK_BYTES, offset),
      await right.read(other, 0, CHUNK_BYTES, offset),
    ]
    const shorter = Math.min(...read.map(({ bytesRead }) => bytesRead))
    const at = one.subarray(0, shorter).findIndex((byte, index) => byte !== other[index])
    if (at !== -1) return `first differing byte: ${offset + at}`
    if (shorter < CHUNK_BYTES) return `the same up to byte ${offset + shorter}, where the shorter one ends`
  }
}

/** Nothing where it is not installed. */
async function runDiffoscope(
  { logFile, signal }: CompareRequest,
  before: string,
  after: string,
): Promise<string[]> {
  const { stdout } = await attempt({
    ...{ logFile, signal, purpose: "what differs" },
    command: ["diffoscope", "--no-progress", "--text", "-", before, after],
  })
  const lines = stdout.split("\n").filter((line) => line !== "")
  const more = lines.length > SHOWN_LINES ? [`… ${lines.length - SHOWN_LINES} lines more`] : []
  return [...lines.slice(0, SHOWN_LINES), ...more]
}

async function hashFile(path: string): Promise<string | null> {
  const hash = createHash("sha256")
  try {
    await pipeline(createReadStream(path), hash)
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
  return hash.digest("hex")
}
