/** Fetches archives of npm packages into the store with the host's npm, each checked before it is kept. */

import { mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { type RunRequest, run } from "../run.ts"
import { type StoredFile, storePath, takeIn } from "./content-store.ts"

export interface NpmPin {
  readonly name: string
  readonly version: string
  readonly integrity: string
  /** Of the archive; absent: not known yet. */
  readonly size_bytes?: number
}

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

/** Faults: `store/wrong-bytes`, and what npm itself says. */
export async function fetchNpm(home: Home, npm: NpmPin, runner: Runner): Promise<void> {
  const incoming = storePath(home, npmFile(npm), "incoming")
  await mkdir(dirname(incoming), { recursive: true })
  const download = await mkdtemp(join(dirname(incoming), ".npm-"))
  try {
    const printed = await run({
      ...runner,
      purpose: `npm package ${npm.name} ${npm.version}`,
      cwd: download,
      command: [
        "npm",
        "pack",
        `${npm.name}@${npm.version}`,
        "--json",
        "--ignore-scripts",
        "--loglevel=error",
      ],
    })
    await rename(join(download, packedName(printed, npm)), incoming)
  } finally {
    await rm(download, { recursive: true })
  }
  await takeIn(home, npmFile(npm), incoming)
}

function packedName(printed: string, npm: NpmPin): string {
  const parsed: unknown = JSON.parse(printed)
  const row: unknown = Array.isArray(parsed) ? parsed[0] : Object.values(parsed ?? {})[0]
  if (row && typeof row === "object" && "filename" in row && typeof row.filename === "string") {
    return row.filename.replace(/^@/, "").replace("/", "-")
  }
  throw new Fault(
    "rootfs/odd-npm",
    `npm pack ${npm.name} did not say which file it wrote: ${printed.slice(0, 200)}`,
  )
}
