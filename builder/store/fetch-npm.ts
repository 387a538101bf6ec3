/** Fetches archives of npm packages into the store with the host's npm, each checked before it is kept. */

import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { type RunRequest, run } from "../run.ts"
import { type StoredFile, takeIn } from "./content-store.ts"

export interface NpmPin {
  readonly name: string
  readonly version: string
  readonly integrity: string
  /** Of the archive; absent: not known yet. */
  readonly size_bytes?: number
}

const BATCH = 8
const PARALLEL = 3

type Runner = Pick<RunRequest, "logFile" | "signal">

export function npmFile({ name, version, integrity, size_bytes }: NpmPin): StoredFile {
  const digest = Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex")
  return {
    title: `npm package ${name} ${version}`,
    algorithm: "sha512",
    digest,
    sizeBytes: size_bytes ?? null,
  }
}

export interface NpmRequest {
  readonly home: Home
  readonly runner: Runner
  readonly note: (text: string) => void
}

/** Faults: `store/wrong-bytes`, and what npm itself says. */
export async function fetchNpms({ home, runner, note }: NpmRequest, npms: readonly NpmPin[]): Promise<void> {
  const waiting = [...npms]
  let done = 0
  const work = async () => {
    for (let batch = waiting.splice(0, BATCH); batch.length > 0; batch = waiting.splice(0, BATCH)) {
      await fetchBatch(home, batch, runner)
      done += batch.length
      note(`${done} of ${npms.length} npm packages`)
    }
  }
  note(`${npms.length} npm packages`)
  // a failure waits for the others' batches: no process of npm outlives it
  const ends = await Promise.allSettled(Array.from({ length: PARALLEL }, work))
  for (const end of ends) if (end.status === "rejected") throw end.reason
}

async function fetchBatch(home: Home, npms: readonly NpmPin[], runner: Runner): Promise<void> {
  const incoming = join(home.cache, "store", "incoming")
  await mkdir(incoming, { recursive: true })
  const download = await mkdtemp(join(incoming, ".npm-"))
  const specs = npms.map(({ name, version }) => `${name}@${version}`)
  try {
    const printed = await run({
      ...runner,
      purpose: `npm packages ${specs.join(", ")}`,
      cwd: download,
      command: ["npm", "pack", ...specs, "--json", "--ignore-scripts", "--loglevel=error"],
    })
    const files = packedFiles(printed)
    // the good ones are kept before the first bad one is told of
    const ends = await Promise.allSettled(
      npms.map(async (npm) => {
        const file = files.get(`${npm.name}@${npm.version}`)
        if (file === undefined) throw oddNpm(npm, printed)
        await takeIn(home, npmFile(npm), join(download, file))
      }),
    )
    for (const end of ends) if (end.status === "rejected") throw end.reason
  } finally {
    await rm(download, { recursive: true, force: true })
  }
}

const packed = z.array(z.looseObject({ name: z.string(), version: z.string(), filename: z.string() }))

/** File name by NAME@VERSION; npm 10 prints a list, later ones a table by name. */
function packedFiles(printed: string): Map<string, string> {
  const parsed: unknown = JSON.parse(printed)
  const rows = packed.parse(Array.isArray(parsed) ? parsed : Object.values(parsed ?? {}))
  return new Map(
    rows.map(({ name, version, filename }) => {
      return [`${name}@${version}`, filename.replace(/^@/, "").replace("/", "-")]
    }),
  )
}

function oddNpm({ name }: NpmPin, printed: string): Fault {
  return new Fault(
    "store/odd-npm",
    `npm pack ${name} did not say which file it wrote: ${printed.slice(0, 200)}`,
  )
}
