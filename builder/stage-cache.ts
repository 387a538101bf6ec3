/** Results of stages, kept by key: an entry appears whole by one rename, or not at all. */

import { createHash } from "node:crypto"
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"

/** Of each stage; more than the stages of one build, so that a build never loses its own. */
const KEPT_ENTRIES = 6
const USED = ".used"
/** A command that was just killed may still close its last file. */
const REMOVE = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const

export interface StageResult {
  readonly dir: string
  readonly cached: boolean
}

export interface StageRequest {
  /** The folder of all entries of this stage. */
  readonly stageDir: string
  readonly key: string
  /** Make it again although it is there; the old result goes when the new one is whole. */
  readonly again?: boolean
  /** Fills an empty folder; when it throws, the folder goes. */
  readonly make: (dir: string) => Promise<void>
}

/** Gives the entry of `key`, made now if it is not there. */
export async function cachedStage(request: StageRequest): Promise<StageResult> {
  const dir = join(request.stageDir, request.key)
  if (!request.again && (await isDirectory(dir))) {
    await markUsed(dir)
    return { dir, cached: true }
  }
  await mkdir(request.stageDir, { recursive: true })
  await removeLeftovers(request.stageDir)
  const work = await mkdtemp(join(request.stageDir, ".making-"))
  try {
    await request.make(work)
    await chmod(work, 0o755)
    await markUsed(work)
    await rm(dir, REMOVE)
    await rename(work, dir)
    await removeOldest(request.stageDir)
  } catch (thrown) {
    await rm(work, REMOVE)
    throw thrown
  }
  return { dir, cached: false }
}

/** A build that was killed could not remove its folder; the build lock says that nobody else uses it. */
async function removeLeftovers(stageDir: string): Promise<void> {
  const names = await readdir(stageDir)
  for (const name of names.filter((name) => name.startsWith(".making-"))) {
    await rm(join(stageDir, name), REMOVE)
  }
}

/** The file's time, which the kernel sets, is when the entry was last of use. */
async function markUsed(dir: string): Promise<void> {
  await writeFile(join(dir, USED), "")
}

async function removeOldest(stageDir: string): Promise<void> {
  const names = (await readdir(stageDir)).filter((name) => /^[0-9a-f]{64}$/.test(name))
  const entries = await Promise.all(
    names.map(async (name) => ({ name, usedMs: await lastUseMs(join(stageDir, name)) })),
  )
  entries.sort((left, right) => right.usedMs - left.usedMs)
  for (const { name } of entries.slice(KEPT_ENTRIES)) {
    await rm(join(stageDir, name), REMOVE)
  }
}

async function lastUseMs(dir: string): Promise<number> {
  try {
    return (await stat(join(dir, USED))).mtimeMs
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return 0
    throw thrown
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return false
    throw thrown
  }
}

/** The key of a stage: a hash of everything that its result depends on. */
export function stageKey(inputs: unknown): string {
  return createHash("sha256").update(canonicalJson(inputs)).digest("hex")
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)))
      : part,
  )
}
