/** The packages of a lock, in the store: what is missing or damaged is fetched, unless the network is cut. */

import { stat } from "node:fs/promises"
import { Fault } from "../contract/fault.ts"
import type { ImageLock, LockedDeb, LockedNpm } from "../contract/image-lock.ts"
import { openDebian } from "./open-debian.ts"
import type { BuildContext, Runner } from "./stages.ts"
import { isStored, type StoredFile, storePath } from "./store/content-store.ts"
import { debFile, fetchDebs } from "./store/fetch-debs.ts"
import { fetchNpms, type NpmPin, npmFile } from "./store/fetch-npm.ts"

export interface ProvideRequest {
  readonly context: BuildContext
  readonly runner: Runner
  /** Of the lock, as is the epoch. */
  readonly suite: string
  readonly epoch: number
  readonly debs: readonly LockedDeb[]
  readonly npms: readonly LockedNpm[]
  /** Read every byte of what is there already, too. */
  readonly deep: boolean
  readonly note: (text: string) => void
}

/**
 * Gives the packages that Debian's archive no longer has and the store neither; with none, all are in the store.
 * Faults: `store/offline`, `store/wrong-bytes`, `store/unreachable`.
 */
export async function providePackages(request: ProvideRequest): Promise<LockedDeb[]> {
  const { context, runner, note } = request
  const debs = await missing(request, request.debs, debFile)
  const npms = await missing(request, request.npms, npmFile)
  if (debs.length + npms.length === 0) return []
  if (context.offline) throw offline([...debs.map(debFile), ...npms.map(npmFile)])
  if (npms.length > 0) await fetchNpms({ home: context.home, runner, note }, npms)
  if (debs.length === 0) return []
  await using debian = await openDebian(context, runner, request.suite)
  const { home, debian: settings } = context
  // awaited here: apt's folder goes when this function ends
  return await fetchDebs(
    { home, apt: debian.apt, snapshot: settings?.snapshot ?? null, epoch: request.epoch, note },
    debs,
  )
}

/** The pins with the sizes of their archives, which come into the store for it. */
export async function lockNpms(
  pins: readonly NpmPin[],
  context: BuildContext,
  runner: Runner,
  note: (text: string) => void,
): Promise<LockedNpm[]> {
  const lacking: NpmPin[] = []
  for (const pin of pins) if (!(await isStored(context.home, npmFile(pin), true))) lacking.push(pin)
  if (lacking.length > 0) await fetchNpms({ home: context.home, runner, note }, lacking)
  const locked = pins.map(async ({ name, version, integrity }) => {
    const size_bytes = (await stat(storePath(context.home, npmFile({ name, version, integrity })))).size
    return { name, version, integrity, size_bytes }
  })
  return Promise.all(locked)
}

export interface GonePackages {
  /** Of the lock, as it is shown to people. */
  readonly file: string
  readonly lock: ImageLock
  readonly gone: readonly LockedDeb[]
  /** As `stereo lock` takes it; null: the lock is the one that a finished image carries, and cannot be another. */
  readonly image: string | null
}

/** What is said of a lock whose packages are gone. */
export function goneFault({ file, lock, gone, image }: GonePackages): Fault {
  const names = gone.map(({ name, version, suite }) => `    ${name} ${version} (${suite})`)
  const day = new Date(lock.epoch * 1000).toISOString().slice(0, 10)
  return new Fault(
    "lock/gone",
    `${file}, of ${day}: Debian's archive no longer has ${gone.length} of its packages\n${names.join("\n")}`,
    {
      hint:
        image === null
          ? "the same bytes need the same packages: name a snapshot archive, which keeps old ones (STEREO_DEBIAN_SNAPSHOT, docs/reproducible-builds.md), or bring the folder cache/store of the STEREO_HOME that it was built in"
          : `take what it has now: stereo lock --update ${image}; for this build alone: --relock; or fetch the old ones from a snapshot archive: STEREO_DEBIAN_SNAPSHOT (docs/reproducible-builds.md)`,
    },
  )
}

async function missing<Item>(
  { context, deep }: ProvideRequest,
  items: readonly Item[],
  fileOf: (item: Item) => StoredFile,
): Promise<Item[]> {
  const lacking: Item[] = []
  for (const item of items) if (!(await isStored(context.home, fileOf(item), deep))) lacking.push(item)
  return lacking
}

function offline(files: readonly StoredFile[]): Fault {
  const names = files.map(({ title }) => `    ${title}`)
  return new Fault("store/offline", `the store lacks ${files.length} packages\n${names.join("\n")}`, {
    hint: "build once without --offline, or bring the folder cache/store from where that was done",
  })
}
