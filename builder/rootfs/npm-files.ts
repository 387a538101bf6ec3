/** Files out of npm packages, whose archive must have exactly the pinned integrity. */

import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"
import { extract } from "tar-stream"
import { Fault } from "../../contract/fault.ts"
import type { PlannedNpm } from "../plan.ts"
import { type RunRequest, run } from "../run.ts"

type Runner = Pick<RunRequest, "logFile" | "signal">

/** Fetches a package's archive into `dir` as package.tgz, checked. */
export async function fetchNpmArchive(npm: PlannedNpm, dir: string, runner: Runner): Promise<void> {
  const download = join(dir, "download")
  await mkdir(download)
  const printed = await run({
    ...runner,
    purpose: `npm package ${npm.name} ${npm.version}`,
    cwd: download,
    command: ["npm", "pack", `${npm.name}@${npm.version}`, "--json", "--ignore-scripts", "--loglevel=error"],
  })
  const archive = join(dir, "package.tgz")
  await rename(join(download, packedName(printed, npm)), archive)
  await rm(download, { recursive: true })
  const actual = `sha512-${await hashFile(archive)}`
  if (actual === npm.integrity) return
  throw new Fault(
    "rootfs/wrong-integrity",
    `npm package ${npm.name} ${npm.version}: the registry's archive is ${actual}, the image asks for ${npm.integrity}`,
    { hint: "the pin is wrong or the archive was changed: find out which before you change the pin" },
  )
}

function packedName(printed: string, npm: PlannedNpm): string {
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

/** Takes the wanted files out of an archive into `dir`, named 0, 1, … in the order of `npm.files`. */
export async function takeNpmFiles(npm: PlannedNpm, archive: string, dir: string): Promise<void> {
  const wanted = new Map(npm.files.map(({ from }, index) => [`package/${from}`, index]))
  const reader = extract()
  const reading = pipeline(createReadStream(archive), createGunzip(), reader)
  for await (const entry of reader) {
    const index = entry.header.type === "file" ? wanted.get(entry.header.name) : undefined
    if (index === undefined) entry.resume()
    else {
      await pipeline(entry, createWriteStream(join(dir, String(index)), { mode: 0o644 }))
      wanted.delete(entry.header.name)
    }
  }
  await reading
  const [lacking] = wanted.keys()
  if (lacking === undefined) return
  throw new Fault("rootfs/no-npm-file", `npm package ${npm.name} ${npm.version} has no file ${lacking}`)
}

async function hashFile(path: string): Promise<string> {
  return createHash("sha512")
    .update(await readFile(path))
    .digest("base64")
}
