/** Makes locks, and finds the one that a build goes by. */

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
import { type ImageLock, imageLock } from "../contract/image-lock.ts"
import { type ProfiledName, STRICT_PROFILE, storedName } from "../contract/image-name.ts"
import { parseToml } from "../contract/toml.ts"
import { type LockWants, listMisfits, listMoves, type Move } from "./lock/compare-locks.ts"
import { lockPath, readLock, writeLock } from "./lock/lock-file.ts"
import { refuseOlder } from "./lock/refuse-older.ts"
import { renderLock } from "./lock/render-lock.ts"
import { resolveDebian, updateApt } from "./lock/resolve-debian.ts"
import { openDebian } from "./open-debian.ts"
import { goneFault, lockNpms, providePackages } from "./package-store.ts"
import type { Plan } from "./plan.ts"
import type { BuildContext, Runner, Stages } from "./stages.ts"

export interface LockTarget extends ProfiledName {
  readonly projectDir: string
  readonly wants: LockWants
  /** What is made of a lock is there, so that its packages are not needed. */
  readonly isMade?: (lock: ImageLock) => boolean
  /** The text of the lock that a finished image carries, to go by instead of the project's. */
  readonly given?: string | undefined
}

export interface LockInUse {
  readonly lock: ImageLock
  /** Its text, as it goes into the artifact. */
  readonly text: string
  /** As it is shown to people. */
  readonly file: string
  /** Whether it was there, was made because there was none, or because packages of it are gone. */
  readonly made: "before" | "new" | "again"
  /** What differs from the lock of the project. */
  readonly moves: readonly Move[]
}

/** What a plan asks a lock for. */
export function lockWants({ debian, boot, npm }: Plan): LockWants {
  const pins = npm.map(({ name, version, integrity }) => ({ name, version, integrity }))
  const distinct = new Map(pins.map((pin) => [`${pin.name} ${pin.version}`, pin]))
  return { suite: debian.suite, root: debian.packages, boot: boot.packages, npm: [...distinct.values()] }
}

/** Gives the lock that fits, with all its packages in the store. Faults: `lock/stale`, `lock/gone`, those of the store. */
export async function openLock(
  target: LockTarget,
  context: BuildContext,
  stages: Stages,
): Promise<LockInUse> {
  const { projectDir } = target
  const path = lockPath(target)
  if (target.given !== undefined) return openGiven(target, target.given, context, stages)
  const committed = await stages.plain("lock", `lock: ${path}`, async () => {
    const lock = await readLock(projectDir, path)
    if (lock !== null) refuseStale(lock, target)
    return lock
  })
  if (committed === null) {
    const lock = await stages.plain("lock", `lock: ${path} is not there, asking Debian`, async (note) => {
      const made = await makeLock(target, [], context, stages.runner, note)
      await writeLock(projectDir, path, made)
      return made
    })
    await provide(target, lock, context, stages)
    return { lock, text: renderLock(lock), file: path, made: "new", moves: [] }
  }
  if (context.relock) return openRelocked(target, committed, context, stages)
  const gone = await provide(target, committed, context, stages)
  if (gone.length > 0) {
    throw goneFault({ file: path, image: argumentsOf(target), gone, lock: committed })
  }
  return {
    lock: committed,
    text: await readFile(join(projectDir, path), "utf8"),
    file: path,
    made: "before",
    moves: [],
  }
}

/** Whether it fits the definition does not matter: what was made of it did, when it was made. */
async function openGiven(
  target: LockTarget,
  text: string,
  context: BuildContext,
  stages: Stages,
): Promise<LockInUse> {
  const file = `the image's own lock of ${storedName(target)}`
  const lock = parseToml({ text, file, stage: "lock" }, imageLock)
  const gone = await provide(target, lock, context, stages)
  if (gone.length > 0) throw goneFault({ file, image: null, gone, lock })
  return { lock, text, file, made: "before", moves: [] }
}

/** Like the above; where packages are gone, a lock of today in the cache stands for the one of the project. */
async function openRelocked(
  target: LockTarget,
  committed: ImageLock,
  context: BuildContext,
  stages: Stages,
): Promise<LockInUse> {
  const text = await readFile(join(target.projectDir, lockPath(target)), "utf8")
  const locks = join(context.home.cache, "locks")
  const file = `${storedName(target)}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}.toml`
  const inUse = (lock: ImageLock, made: LockInUse["made"]): LockInUse => {
    return { lock, text: renderLock(lock), file: join(locks, file), made, moves: listMoves(committed, lock) }
  }
  const earlier = await readLock(locks, file)
  const first = earlier ?? committed
  const gone = await provide(target, first, context, stages)
  if (gone.length === 0) {
    return earlier
      ? inUse(earlier, "again")
      : { lock: committed, text, file: lockPath(target), made: "before", moves: [] }
  }
  const lock = await stages.plain("lock", `lock: ${gone.length} packages are gone, asking Debian`, (note) =>
    makeLock(target, first.deb, context, stages.runner, note),
  )
  await refuseOlder(listMoves(first, lock), stages.runner)
  const stillGone = await provide(target, lock, context, stages)
  if (stillGone.length > 0) {
    throw goneFault({ file: join(locks, file), image: argumentsOf(target), gone: stillGone, lock })
  }
  await writeLock(locks, file, lock)
  return inUse(lock, "again")
}

/** Asks Debian; `held` packages keep their version where the archive still has it. Archives of npm come into the store. */
export async function makeLock(
  { wants }: LockTarget,
  held: ImageLock["deb"],
  context: BuildContext,
  runner: Runner,
  note: (text: string) => void = () => undefined,
): Promise<ImageLock> {
  if (context.offline) {
    throw new Fault("lock/offline", "there is no lock, and without the network none can be made", {
      hint: "run it once without --offline",
    })
  }
  await using debian = await openDebian(context, runner, wants.suite)
  await updateApt(debian.apt)
  const { deb, epoch } = await resolveDebian(debian.apt, wants, held)
  const npm = await lockNpms(wants.npm, context, runner, note)
  const { suite, root, boot } = wants
  return { schema: 1, suite, arch: "amd64", epoch, root: [...root], boot: [...boot], deb, npm }
}

function refuseStale(lock: ImageLock, target: LockTarget): void {
  const misfits = listMisfits(lock, target.wants)
  if (misfits.length === 0) return
  throw new Fault(
    "lock/stale",
    `${lockPath(target)} does not fit its image.toml\n${misfits.map((one) => `    ${one}`).join("\n")}`,
    { hint: `stereo lock ${argumentsOf(target)}` },
  )
}

/** As the commands of stereo take it. */
function argumentsOf({ name, profile }: LockTarget): string {
  return profile === STRICT_PROFILE ? name : `${name} --profile ${profile}`
}

async function provide(
  target: LockTarget,
  lock: ImageLock,
  context: BuildContext,
  stages: Stages,
): Promise<ImageLock["deb"]> {
  if (target.isMade?.(lock)) return []
  return stages.plain("fetch", `packages of ${storedName(target)}: checked, into the store`, (note) =>
    providePackages({
      ...{ context, runner: stages.runner, note, deep: false },
      ...{ suite: lock.suite, epoch: lock.epoch, debs: lock.deb, npms: lock.npm },
    }),
  )
}
