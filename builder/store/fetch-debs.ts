/** Fetches locked .debs into the store with the host's apt: a few at a time, each checked before it is kept. */

import { mkdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import type { LockedDeb } from "../../contract/image-lock.ts"
import type { Apt } from "../apt.ts"
import { type StoredFile, storePath, takeIn } from "./content-store.ts"

/** A batch is one connection; an interruption loses at most what these have under way. */
const BATCH = 12
const PARALLEL = 3
/** A snapshot archive looks at the mirror four times a day: what a Release file lists is there by then. */
const SNAPSHOT_LATENCY_S = 6 * 3600

export interface FetchRequest {
  readonly home: Home
  readonly apt: Apt
  /** Base address of a snapshot archive; null: none. */
  readonly snapshot: string | null
  /** The lock's, in seconds since 1970. */
  readonly epoch: number
  readonly note: (text: string) => void
}

/** Gives those that neither mirror nor snapshot has any more. Faults: `store/wrong-bytes`, `store/unreachable`. */
export async function fetchDebs(request: FetchRequest, debs: readonly LockedDeb[]): Promise<LockedDeb[]> {
  const total = debs.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  const done = { files: 0, bytes: 0 }
  const gone: LockedDeb[] = []
  const waiting = inBatches(debs)
  const work = async () => {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      let left = await fetchBatch(request, batch, (deb) => mirrorAddress(request.apt, deb))
      const { snapshot, epoch } = request
      if (left.length > 0 && snapshot !== null) {
        left = await fetchBatch(request, left, (deb) => snapshotAddress(snapshot, epoch, deb))
      }
      gone.push(...left)
      done.files += batch.length
      done.bytes += batch.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
      request.note(
        `${done.files} of ${debs.length} packages, ${megabytes(done.bytes)} of ${megabytes(total)}`,
      )
    }
  }
  request.note(`${debs.length} packages, ${megabytes(total)}`)
  // a failure waits for the others' batches: no process of apt outlives it
  const ends = await Promise.allSettled(Array.from({ length: PARALLEL }, work))
  for (const end of ends) if (end.status === "rejected") throw end.reason
  return gone
}

export function debFile({ name, version, sha256, size_bytes }: LockedDeb): StoredFile {
  return { title: `${name} ${version}`, algorithm: "sha256", digest: sha256, sizeBytes: size_bytes }
}

/** Large ones first, so that the last batch is a short one. */
function inBatches(debs: readonly LockedDeb[]): LockedDeb[][] {
  const sorted = debs.toSorted((left, right) => right.size_bytes - left.size_bytes)
  const count = Math.ceil(sorted.length / BATCH)
  return Array.from({ length: count }, (_each, index) => sorted.filter((_deb, at) => at % count === index))
}

/** Those that were not there. */
async function fetchBatch(
  request: FetchRequest,
  debs: readonly LockedDeb[],
  addressOf: (deb: LockedDeb) => string,
): Promise<LockedDeb[]> {
  const { apt, home } = request
  const files = debs.map((deb) => {
    return { deb, address: addressOf(deb), path: storePath(home, debFile(deb), "incoming") }
  })
  await mkdir(join(home.cache, "store", "incoming"), { recursive: true })
  const whole = await Promise.all(files.map(({ deb, path }) => hasSize(path, deb.size_bytes)))
  const wanted = files.filter((_file, index) => !whole[index])
  const largest = Math.max(...debs.map(({ size_bytes }) => size_bytes))
  const output = wanted.length === 0 ? "" : await download(apt, wanted, largest)
  const missing: LockedDeb[] = []
  // the good ones are kept before the first bad one is told of
  const ends = await Promise.allSettled(
    files.map(async ({ deb, address, path }) => {
      if (await hasSize(path, null)) await takeIn(home, debFile(deb), path)
      else if (saysGone(output, address)) missing.push(deb)
      else throw unreachable(deb, output)
    }),
  )
  for (const end of ends) if (end.status === "rejected") throw end.reason
  return missing
}

async function download(
  apt: Apt,
  files: readonly { readonly address: string; readonly path: string }[],
  largestBytes: number,
): Promise<string> {
  const words = files.flatMap(({ address, path }) => [address, path, ""])
  const { output } = await apt.attempt(
    "Debian's packages",
    [join("/usr/lib/apt", "apt-helper"), "download-file", ...words],
    // a mirror that never ends a file does not fill the disk
    ["prlimit", `--fsize=${largestBytes + 65_536}`, "--"],
  )
  return output
}

/** apt's own words for what a server does not have. */
function saysGone(output: string, address: string): boolean {
  return output
    .split("\n")
    .some(
      (line) => line.includes(`Failed to fetch ${address} `) && /\b(?:404|410)\b|File not found/.test(line),
    )
}

function mirrorAddress({ sources }: Apt, { suite, path }: LockedDeb): string {
  return `${suite.endsWith("-security") ? sources.security : sources.main}/${encodePath(path)}`
}

function snapshotAddress(snapshot: string, epoch: number, { suite, path }: LockedDeb): string {
  const archive = suite.endsWith("-security") ? "debian-security" : "debian"
  const time = new Date((epoch + SNAPSHOT_LATENCY_S) * 1000).toISOString().replace(/[-:]|\.\d+/g, "")
  return `${snapshot.replace(/\/+$/, "")}/${archive}/${time}/${encodePath(path)}`
}

function encodePath(path: string): string {
  return encodeURI(path).replaceAll("+", "%2b")
}

async function hasSize(path: string, sizeBytes: number | null): Promise<boolean> {
  try {
    const found = (await stat(path)).size
    return sizeBytes === null || found === sizeBytes
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return false
    throw thrown
  }
}

function unreachable({ name, version }: LockedDeb, output: string): Fault {
  const said = output
    .split("\n")
    .filter((line) => /^(?:E: |W: |Err)/.test(line))
    .slice(-5)
  const full = /no space left on device/i.test(output) ? "the disk is full: make room; " : ""
  return new Fault(
    "store/unreachable",
    `${name} ${version} could not be fetched\n${said.map((line) => `    ${line}`).join("\n")}`,
    { hint: `${full}packages that came whole are kept: build again to fetch the rest` },
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
